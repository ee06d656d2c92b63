/** What a subject is to the benchmark. Each file in bench/subjects exports one `prepare`. */
import type { Generation } from "./span.ts";

export interface SubjectContext {
  /** The sink's, on 127.0.0.1, without a trailing slash. */
  baseUrl: string;
  /** An empty folder of this run's own; removed after it. */
  directory: string;
  /** The row's `options` in bench/subjects.ts. */
  options: Readonly<Record<string, string>>;
}

export interface Subject<Input> {
  /** The generation in the form that `call` takes. Not measured. */
  inputOf(generation: Generation): Input;
  /** One span, as a bot's thread would hand it over. Measured. */
  call(input: Input): void;
  /** Resolves when this thread has nothing left to do for the spans so far. Its CPU counts. */
  settle(): Promise<void>;
  /** Ends threads and sockets, so that the process ends by itself. Not measured. */
  close(): Promise<void>;
}

export type PrepareSubject<Input> = (context: SubjectContext) => Subject<Input>;

/** Keys that the sink does not look at. */
export const benchKeys: { publicKey: string; secretKey: string } = {
  publicKey: "pk-lf-bench",
  secretKey: "sk-lf-bench",
};
