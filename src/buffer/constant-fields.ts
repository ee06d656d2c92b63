import type { PayloadAttributes, SpanPayload } from "./span-payload.ts";

/** What all spans of a buffer say of themselves, unless a span says otherwise. */
export interface Constants {
  environment: string | undefined;
  release: string | undefined;
  serviceName: string | undefined;
}

/** Fields that are the same for many spans, prepared: they go behind a span's own text, in place of its last bracket. */
export interface ConstantFields {
  fields: Partial<SpanPayload>;
  /** `,"environment":"production"}`, for example. */
  text: string;
  bytes: Uint8Array;
}

/** Where a span of OpenTelemetry's, or the resource that it comes from, may name its own environment and release. */
const environmentAttributes = ["langfuse.environment", "deployment.environment.name", "deployment.environment"];
const releaseAttributes = ["langfuse.release"];

/** What many spans share, as it stands in each of them. */
export type Surroundings = Pick<SpanPayload, "resource" | "scope">;

const noSurroundings: Surroundings = {};

/** Chooses the constants of each span. There are few combinations, and each is made once. */
export class ConstantFieldsTable {
  readonly #constants: Constants;
  readonly #surroundings: Surroundings;
  readonly #isEmpty: boolean;
  readonly #byCombination: (ConstantFields | undefined)[] = [];

  /** @param surroundings of all the spans that will be asked about, which do not hold them themselves. */
  constructor(constants: Constants, surroundings: Surroundings = noSurroundings) {
    this.#constants = constants;
    this.#surroundings = surroundings;
    const { environment, release, serviceName } = constants;
    this.#isEmpty =
      surroundings === noSurroundings &&
      environment === undefined &&
      release === undefined &&
      serviceName === undefined;
  }

  /** No span's constants are longer, in UTF-16 units. */
  get mostUnits(): number {
    return this.#isEmpty ? 0 : (this.#make(false, false, false)?.text.length ?? 0);
  }

  /** Those that this span does not override; `undefined`: none. May throw what the span's getters throw. */
  for(payload: Partial<SpanPayload>): ConstantFields | undefined {
    if (this.#isEmpty) return undefined;
    const { resource = payload.resource } = this.#surroundings;
    const { attributes } = payload;
    const { environment, release } = this.#constants;
    // What the buffer does not say need not be looked for.
    const hasEnvironment =
      environment === undefined ||
      payload.environment !== undefined ||
      names(attributes, resource, environmentAttributes);
    const hasRelease =
      release === undefined || payload.release !== undefined || names(attributes, resource, releaseAttributes);
    const hasService = payload.serviceName !== undefined || resource !== undefined;
    const combination = (hasEnvironment ? 1 : 0) + (hasRelease ? 2 : 0) + (hasService ? 4 : 0);
    return (this.#byCombination[combination] ??= this.#make(hasEnvironment, hasRelease, hasService));
  }

  #make(hasEnvironment: boolean, hasRelease: boolean, hasService: boolean): ConstantFields | undefined {
    const { environment, release, serviceName } = this.#constants;
    const fields: Partial<SpanPayload> = {
      ...this.#surroundings,
      ...(hasEnvironment || environment === undefined ? {} : { environment }),
      ...(hasRelease || release === undefined ? {} : { release }),
      ...(hasService || serviceName === undefined ? {} : { serviceName }),
    };
    if (Object.keys(fields).length === 0) return undefined;
    const text = `,${JSON.stringify(fields).slice(1)}`;
    return { fields, text, bytes: Buffer.from(text) };
  }
}

function names(
  attributes: PayloadAttributes | undefined,
  resource: SpanPayload["resource"],
  wanted: readonly string[],
): boolean {
  return hasAnyAttribute(attributes, wanted) || hasAnyAttribute(resource?.attributes, wanted);
}

function hasAnyAttribute(attributes: PayloadAttributes | undefined, names: readonly string[]): boolean {
  if (attributes === undefined) return false;
  if (Array.isArray(attributes)) return attributes.some(({ key }) => names.includes(key));
  for (const name of names) if ((attributes as Record<string, unknown>)[name] !== undefined) return true;
  return false;
}
