/** What a subject is to the benchmark. Each file in bench/subjects exports one `prepare`. */
import type { SpanContent } from "./span.ts";

export interface SubjectContext {
  /** A gate's of the sink, on 127.0.0.1, without a trailing slash. */
  baseUrl: string;
  /** A folder of this run's own; removed after it. */
  directory: string;
  /** The row's `options` in bench/subjects.ts, and over them those of the trial. */
  options: Readonly<Record<string, string | number>>;
}

export interface Subject<Input> {
  /** The span in the form that `call` takes. Not measured. */
  inputOf(content: SpanContent): Input;
  /** One span, as a bot's thread would hand it over. Measured. */
  call(input: Input): void;
  /** Resolves when this thread has nothing left to do for the spans so far. Its CPU counts. */
  settle(): Promise<void>;
  /** Ends threads and sockets, so that the process ends by itself. Not measured. */
  close(): Promise<void>;
}

/** @throws when the version at hand does not have what the options ask for; the subject is then reported as not run. */
export type PrepareSubject<Input> = (context: SubjectContext) => Subject<Input>;

/** Keys that the sink does not look at. */
export const benchKeys: { publicKey: string; secretKey: string } = {
  publicKey: "pk-lf-bench",
  secretKey: "sk-lf-bench",
};
