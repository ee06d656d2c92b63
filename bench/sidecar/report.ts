/** The whole run as Markdown, for the terminal and for docs/benchmarks-sidecar.md. */
import { boundLines, doubtLines, slowerLines } from "./findings.ts";
import type { SidecarResults } from "./results.ts";
import { type Subject, subjectNames, subjects } from "./subjects.ts";
import { commitTable, figure, loadTables, threadTable } from "./tables.ts";

const introduction = `# The sidecar's benchmark

How many spans does \`span-buffer serve\` take, how soon does it answer, what does it cost; beside an OpenTelemetry Collector with a persistent queue, under the same load, on the same machine, in the same run.

\`\`\`
npm run bench:sidecar                                             # all loads, under ten minutes
npm run bench:sidecar -- --quick                                  # a minute and a half: does it work? Its figures mean nothing
npm run bench:sidecar -- --only sidecar,collector --spans 100     # these subjects, these loads (--encoding, --connections, --seconds)
npm run bench:sidecar -- --only sidecar --spans 100 --profile     # CPU profiles of its threads in bench/results/sidecar-profiles
npm run bench:sidecar -- --report                                 # also writes this file
\`\`\`

Results go to \`bench/results\` (\`sidecar-report.json\`, \`sidecar-report.md\`). The Collector is built once with Go, from pinned versions, into \`node_modules/.cache\`; where there is no Go, the run says so and goes on without it.`;

const method = `## How it is measured

- **The load** is autocannon's, in a process of its own beside subject and sink: each connection has one request under way and begins the next when the answer has come. On two cores the three share what there is, so the rates are those of the whole; the columns of cores say who used what. CPU a span is the subject's own, whoever else runs.
- **A request** carries spans of bench/content.ts (an LLM call of 1.2 KB as a record, ten spans a trace), uncompressed, made before the clock starts. Every request has other trace and span ids, written into the prepared bytes.
- **Latency** is taken by autocannon for each answer with the process's clock, from before the request is written until its answer is read, and kept as it is. Its own histogram is not used: it keeps whole milliseconds. With fewer than 1,000 answers there is no 99.9th percentile; then the slowest is shown.
- **CPU** is that of the process with all its threads (\`/proc/PID/stat\`, to 10 ms), from the first request of the measured time until everything that was accepted is at the sink, over the spans accepted. So nobody gains by leaving work for later. \`left\` is what was accepted and not yet at the sink when the load ended.
- **Memory** is resident memory once all is delivered, of it pages of files (programs, and the Collector's queue, which is mapped into memory), and the most it ever was, warm-up included.
- **A process for each row**, on a new folder, warmed up under the same load, with what that left delivered before the measurement begins. A batch that does not fill is sent after half a second by everybody.
- **The sink** plays Langfuse: it counts the spans, keeps nothing and answers at once.
- **Not waiting for the commit** is bench/sidecar/uncommitted.ts, the same server with a \`whenCommitted\` that resolves at once.
- Where a choice had to be made, it was made for the Collector: batches of up to 2,000 spans (about what Langfuse takes), no compression, no metrics of its own, no authentication at its door; the sidecar recognises repeated spans and enriches Pipecat's, and the Collector does neither.`;

export function sidecarMarkdown(results: SidecarResults): string {
  const commits = commitTable(results);
  const threads = threadTable(results);
  const sections = [
    introduction,
    machineLines(results),
    ...(results.isQuick ? ["**A quick run: it shows that the suite works; its figures mean nothing.**"] : []),
    ...titled("## Bounds", list(boundLines(results))),
    ...titled("## Where the Collector is ahead", list(slowerLines(results))),
    ...titled("## What is to be known besides", list(doubtLines(results))),
    ...(commits.length === 0 ? [] : ["## The cost of the commit", ...commits]),
    ...(threads.length === 0 ? [] : ["## Where the sidecar's CPU goes, µs a span", ...threads]),
    "## Figures",
    ...loadTables(results),
    method,
    "## Subjects",
    list(ranSubjects(results).map(({ title, note }) => `${title}: ${note}`)),
  ];
  return `${sections.join("\n\n")}\n`;
}

function machineLines(results: SidecarResults): string {
  const { machine, collectorVersion, startedAt, seconds, loadAverage, fsyncMs } = results;
  const { cpuModel, cores, memoryGiB, platform, nodeVersion } = machine;
  const collector = collectorVersion === undefined ? "" : `; OpenTelemetry Collector ${collectorVersion}`;
  return [
    `${cpuModel}, ${cores} cores, ${memoryGiB} GiB, ${platform}, Node ${nodeVersion}${collector}.`,
    `${startedAt}, ${Math.round(seconds)} s; load average ${loadAverage.atStart} before and ${loadAverage.atEnd} after;`,
    `each load ${results.measuredSeconds} s after ${results.warmUpSeconds} s of warm-up, once; an fsync of 4 KiB takes ${figure(fsyncMs)} ms on this disk.`,
  ].join(" ");
}

function ranSubjects({ rows }: SidecarResults): Subject[] {
  return subjectNames.filter((name) => rows.some(({ subject }) => subject === name)).map((name) => subjects[name]);
}

function titled(title: string, text: string): string[] {
  return text === "" ? [] : [title, text];
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}
