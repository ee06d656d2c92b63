/** The spans of a trace as a tree, with their times. */
import { plain, table } from "./table.ts";

export interface TreeSpan {
  /** Of its row. */
  label: string;
  span: SpanFields;
}

/** OTLP's status. */
const errorCode = 2;

/** As stored: nobody has checked them. */
interface SpanFields {
  spanId?: unknown;
  parentSpanId?: unknown;
  name?: unknown;
  type?: unknown;
  level?: unknown;
  status?: { code?: unknown };
  startTimeUnixNano?: unknown;
  endTimeUnixNano?: unknown;
}

interface Branch {
  prefix: string;
  isOrphan: boolean;
  item: TreeSpan;
}

/** @param spans at least one. */
export function spanTree(spans: readonly TreeSpan[]): string {
  const startNano = spans.map(({ span }) => nano(span.startTimeUnixNano)).reduce((a, b) => (b < a ? b : a));
  const rows = branchesOf(spans).map(({ prefix, isOrphan, item: { label, span } }) => {
    const start = nano(span.startTimeUnixNano);
    return [
      prefix + plain(textOf(span.name), 50) + (isOrphan ? " (its parent is not here)" : ""),
      plain(textOf(span.type), 12),
      milliseconds(start - startNano),
      milliseconds(nano(span.endTimeUnixNano) - start),
      plain(textOf(span.level ?? (span.status?.code === errorCode ? "ERROR" : "")), 8),
      label,
    ];
  });
  return table(["SPAN", "TYPE", "START", "DURATION", "LEVEL", "ID"], rows, ["START", "DURATION"]);
}

function branchesOf(spans: readonly TreeSpan[]): Branch[] {
  const ids = new Set(spans.map(({ span }) => span.spanId));
  const children = Map.groupBy(spans, ({ span }) => (ids.has(span.parentSpanId) ? span.parentSpanId : undefined));
  const branches: Branch[] = [];
  const seen = new Set<TreeSpan>();
  const grow = (item: TreeSpan, above: string, isLast: boolean, isRoot: boolean): void => {
    if (seen.has(item)) return;
    seen.add(item);
    const prefix = isRoot ? "" : above + (isLast ? "└─ " : "├─ ");
    branches.push({ prefix, isOrphan: isRoot && item.span.parentSpanId !== undefined, item });
    const below = byStart((item.span.spanId === undefined ? undefined : children.get(item.span.spanId)) ?? []);
    const inner = isRoot ? "" : above + (isLast ? "   " : "│  ");
    for (const child of below) grow(child, inner, child === below.at(-1), false);
  };
  for (const root of byStart(children.get(undefined) ?? [])) grow(root, "", true, true);
  // Parents in a circle have no root above them.
  for (const left of spans) grow(left, "", true, true);
  return branches;
}

function byStart(spans: readonly TreeSpan[]): TreeSpan[] {
  return spans.toSorted((a, b) => {
    const [first, second] = [nano(a.span.startTimeUnixNano), nano(b.span.startTimeUnixNano)];
    return first < second ? -1 : first > second ? 1 : 0;
  });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function nano(text: unknown): bigint {
  return typeof text === "string" && /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
}

function milliseconds(nanos: bigint): string {
  return `${(Number(nanos / 1_000n) / 1_000).toLocaleString("en", { maximumFractionDigits: 1 })} ms`;
}
