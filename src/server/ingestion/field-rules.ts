/**
 * What Langfuse asks of the fields of an event's body: its server's own schemas, in the most generous form that any of
 * its versions had. A field that is absent or null is never at fault, unless it is needed.
 */
import { observationLevels } from "../../buffer/span-payload.ts";
import { isRecord } from "../../export/attribute-values.ts";

type Body = Readonly<Record<string, unknown>>;

interface FieldRule {
  isAllowed: (value: unknown) => boolean;
  allowed: string;
}

const longestId = 800;
const longestEnvironment = 40;

/** Langfuse wants a zone: without it nobody knows when that was. */
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$/i;

export function isTime(value: unknown): boolean {
  return typeof value === "string" && isoTime.test(value) && Number.isFinite(Date.parse(value));
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= longestId && !value.includes("\r");
}

const id: FieldRule = { isAllowed: isId, allowed: `a text of 1 to ${longestId} characters on one line` };
const text: FieldRule = { isAllowed: (value) => typeof value === "string", allowed: "a text" };
const time: FieldRule = { isAllowed: isTime, allowed: "an ISO 8601 time with a zone" };
const integer: FieldRule = { isAllowed: (value) => Number.isInteger(value), allowed: "an integer" };

/** Any of them, where a body has them. */
const observationRules: Readonly<Record<string, FieldRule>> = {
  traceId: id,
  name: text,
  startTime: time,
  endTime: time,
  completionStartTime: time,
  parentObservationId: text,
  statusMessage: text,
  version: text,
  model: text,
  promptName: text,
  promptVersion: integer,
  level: {
    isAllowed: (value) => observationLevels.some((level) => level === value),
    allowed: observationLevels.join(", "),
  },
  environment: { isAllowed: isEnvironment, allowed: environmentWords() },
  modelParameters: {
    isAllowed: (value) => isRecordOf(value, isParameter),
    allowed: "an object of texts, numbers, booleans, lists of texts and flat objects of texts",
  },
  usage: { isAllowed: isUsage, allowed: "an object of counts (integers) and costs" },
  usageDetails: { isAllowed: isUsageDetails, allowed: "an object of counts: integers from 0" },
  costDetails: {
    isAllowed: (value) => isRecordOf(value, (cost) => typeof cost === "number" && cost >= 0),
    allowed: "an object of costs: numbers from 0",
  },
};

const traceRules: Readonly<Record<string, FieldRule>> = {
  timestamp: time,
  name: text,
  sessionId: text,
  userId: text,
  release: text,
  version: text,
  environment: { isAllowed: isEnvironment, allowed: environmentWords() },
  public: { isAllowed: (value) => typeof value === "boolean", allowed: "true or false" },
  tags: {
    isAllowed: (value) => Array.isArray(value) && value.every((tag) => typeof tag === "string"),
    allowed: "a list of texts",
  },
};

const scoreRules: Readonly<Record<string, FieldRule>> = {
  name: { isAllowed: (value) => typeof value === "string" && value !== "", allowed: "a text that is not empty" },
  value: {
    isAllowed: (value) => ["string", "number", "boolean"].includes(typeof value),
    allowed: "a number or a text",
  },
  traceId: text,
  observationId: text,
  sessionId: text,
  datasetRunId: text,
  comment: text,
  dataType: text,
  environment: { isAllowed: isEnvironment, allowed: environmentWords() },
};

/** What is wrong with a body, in one line; undefined: nothing. */
export function faultOfBody(about: "trace" | "observation" | "score", body: Body): string | undefined {
  switch (about) {
    case "trace":
      return faultOfFields(traceRules, body);
    case "observation":
      return faultOfFields(observationRules, body) ?? faultOfPrompt(body);
    default:
      return faultOfFields(scoreRules, body) ?? faultOfScore(body);
  }
}

function faultOfFields(rules: Readonly<Record<string, FieldRule>>, body: Body): string | undefined {
  for (const [field, { isAllowed, allowed }] of Object.entries(rules)) {
    const value = body[field];
    if (value !== undefined && value !== null && !isAllowed(value)) return `body.${field}: expected ${allowed}`;
  }
  return undefined;
}

function faultOfPrompt({ promptName, promptVersion }: Body): string | undefined {
  return Boolean(promptName) === Boolean(promptVersion)
    ? undefined
    : "body.promptName and body.promptVersion: expected both or neither";
}

function faultOfScore({ name, value, traceId, sessionId, datasetRunId }: Body): string | undefined {
  if (name === undefined || name === null) return "body.name: expected a text that is not empty";
  if (value === undefined || value === null) return "body.value: expected a number or a text";
  if ([traceId, sessionId, datasetRunId].some((target) => typeof target === "string" && target !== ""))
    return undefined;
  return "Provide exactly one of the following: traceId (with optional observationId), sessionId or datasetRunId.";
}

function isEnvironment(value: unknown): boolean {
  return typeof value === "string" && value.length <= longestEnvironment && /^(?!langfuse)[a-z0-9-_]+$/.test(value);
}

function environmentWords(): string {
  return `at most ${longestEnvironment} of a-z, 0-9, - and _, not beginning with "langfuse"`;
}

function isRecordOf(value: unknown, isAllowed: (part: unknown) => boolean): boolean {
  return isRecord(value) && Object.values(value).every((part) => part === null || isAllowed(part));
}

function isParameter(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((part) => typeof part === "string");
  if (isRecord(value)) return Object.values(value).every((part) => typeof part === "string");
  return ["string", "number", "boolean"].includes(typeof value);
}

function isUsage(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return Object.entries(value).every(([name, part]) => {
    if (part === null || name === "unit") return true;
    return /cost$/i.test(name)
      ? typeof part === "number"
      : !/^(input|output|total)|Tokens$/.test(name) || Number.isInteger(part);
  });
}

/** OpenAI's forms have the parts of a count in an object of their own. */
function isUsageDetails(value: unknown): boolean {
  return isRecordOf(value, (part) => isCount(part) || isRecordOf(part, isCount));
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}
