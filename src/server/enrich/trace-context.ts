/**
 * What the spans of a trace say about the trace. Langfuse 4 keeps no row for it: session, user, tags and trace name must
 * be on every span, and a span arrives when it ends. Pipecat's root, which alone may say them, comes last. So what is
 * learned from one span goes to those that come after it, and in one request to all, if it is learned from all of its
 * spans first. What has been committed before is not touched again: it may be on its way.
 */
import { LRUCache } from "lru-cache";
import type { TraceFields } from "../../buffer/span-payload.ts";
import type { TraceDefaults } from "../options.ts";
import type { SpanAttributes } from "./span-attributes.ts";

type IdField = "sessionId" | "userId" | "traceName";

interface Source {
  key: string;
  /** Langfuse reads it itself, on that span. */
  isRead?: true;
  /** Means this only on Pipecat's spans. */
  isPipecats?: true;
}

/** Where a field is said, the surest first. */
const sources: Readonly<Record<IdField, readonly Source[]>> = {
  sessionId: [
    { key: "langfuse.session.id", isRead: true },
    { key: "session.id", isRead: true },
    { key: "gen_ai.conversation.id" },
    { key: "conversation.id", isPipecats: true },
  ],
  userId: [
    { key: "langfuse.user.id", isRead: true },
    { key: "user.id", isRead: true },
    { key: "user_id", isPipecats: true },
  ],
  traceName: [{ key: "langfuse.trace.name", isRead: true }],
};
const idFields = Object.keys(sources) as IdField[];
const tagsAttribute = "langfuse.trace.tags";

/** For the reader of a span's attributes. */
export const traceAttributes: readonly string[] = [
  ...Object.values(sources).flatMap((list) => list.map(({ key }) => key)),
  tagsAttribute,
];

/** A value and its place among the sources: a lower rank is surer. */
interface Said {
  text: string;
  rank: number;
}

interface Learned {
  readonly ids: Readonly<Partial<Record<IdField, Said>>>;
  readonly tags: readonly string[];
  /** Of the root, for want of a trace name. */
  readonly rootName?: string | undefined;
}

const nothing: Learned = { ids: {}, tags: [] };

/** Traces that are remembered, and the characters of all together; those longest without a span go first. */
const mostTraces = 10_000;
const mostCharacters = 16 * 1024 * 1024;
/** Langfuse's own limit for what is copied to every span; a longer value stays on the span that says it. */
const longestValue = 200;
const mostTags = 50;

export class TraceContext {
  readonly #traces = new LRUCache<string, Learned>({
    max: mostTraces,
    maxSize: mostCharacters,
    sizeCalculation: charactersOf,
  });

  /** @param rootName the span is a trace's root that gives the trace its name, if nobody else does. */
  learn(traceId: string, attributes: SpanAttributes, isPipecats: boolean, rootName?: string): void {
    if (attributes.isEmpty && rootName === undefined) return;
    const before = this.#traces.get(traceId) ?? nothing;
    let { ids, tags } = before;
    for (const field of idFields) {
      const said = firstSaid(attributes, field, isPipecats);
      if (said === undefined || said.text.length > longestValue) continue;
      // Of two that are as sure the first stays: a trace does not change its user with each speaker.
      if (said.rank < (ids[field]?.rank ?? Number.POSITIVE_INFINITY)) ids = { ...ids, [field]: said };
    }
    const more = attributes.texts(tagsAttribute).filter((tag) => tag.length <= longestValue && !tags.includes(tag));
    if (more.length > 0 && tags.length < mostTags) tags = [...new Set([...tags, ...more])].slice(0, mostTags);
    const name = before.rootName ?? (rootName === undefined || rootName.length > longestValue ? undefined : rootName);
    if (ids === before.ids && tags === before.tags && name === before.rootName) return;
    this.#traces.set(traceId, { ids, tags, rootName: name });
  }

  /**
   * What is to be added to a span of that trace: fields that it does not say itself; of tags all, its own included.
   *
   * @param said the fields that the span was given explicitly; undefined: none.
   */
  missing(
    traceId: string,
    attributes: SpanAttributes,
    isPipecats: boolean,
    said: TraceFields | undefined,
    defaults: TraceDefaults,
  ): TraceFields | undefined {
    const learned = this.#traces.get(traceId) ?? nothing;
    let fields: TraceFields | undefined;
    for (const field of idFields) {
      if (said?.[field] !== undefined) continue;
      const own = attributes.isEmpty ? undefined : firstSaid(attributes, field, isPipecats);
      if (own !== undefined && sources[field][own.rank]?.isRead === true) continue;
      const ofTrace = learned.ids[field];
      const surest = own !== undefined && (ofTrace === undefined || own.rank <= ofTrace.rank) ? own : ofTrace;
      const text = surest?.text ?? defaults[field] ?? (field === "traceName" ? learned.rootName : undefined);
      if (text !== undefined) (fields ??= {})[field] = text;
    }
    const tags = this.#missingTags(learned, attributes, said?.tags, defaults.tags ?? []);
    if (tags !== undefined) (fields ??= {}).tags = tags;
    return fields;
  }

  /** Undefined: the span says all of them itself. */
  #missingTags(
    learned: Learned,
    attributes: SpanAttributes,
    explicit: readonly string[] | undefined,
    defaults: readonly string[],
  ): readonly string[] | undefined {
    if (learned.tags.length === 0 && defaults.length === 0) return undefined;
    const own = explicit ?? attributes.texts(tagsAttribute);
    const ofTrace = learned.tags.length > 0 ? learned.tags : own.length > 0 ? [] : defaults;
    const all = [...new Set([...own, ...ofTrace])];
    return all.length > own.length ? all : undefined;
  }
}

function firstSaid(attributes: SpanAttributes, field: IdField, isPipecats: boolean): Said | undefined {
  for (const [rank, source] of sources[field].entries()) {
    if (source.isPipecats === true && !isPipecats) continue;
    const text = attributes.id(source.key);
    if (text !== undefined) return { text, rank };
  }
  return undefined;
}

function charactersOf({ ids, tags, rootName = "" }: Learned, traceId: string): number {
  const texts = [traceId, rootName, ...tags, ...Object.values(ids).map(({ text }) => text)];
  return texts.reduce((sum, text) => sum + text.length, 1);
}
