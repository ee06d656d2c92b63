/** What is examined, in which order, and what each step needs to have gone well. */
import process from "node:process";
import { remedies } from "./causes.ts";
import { examineDirectory, examineLocks, examineRoom } from "./disk.ts";
import { type Finding, failed, skipped } from "./findings.ts";
import { examineJournals } from "./journals.ts";
import { examineAccess, examineClock, examineHttp, examineTransport } from "./langfuse.ts";
import { examineConnection, examineName, examineTls } from "./network.ts";
import { type DoctorOptions, type Patient, patientFrom } from "./patient.ts";
import { examineBaseUrl, examineKeys, examineNode, examineSettings } from "./start.ts";
import { findTrace, sendTrace } from "./trial.ts";

interface Step {
  title: string;
  /** Titles of steps without which this one has nothing to look at. */
  needs: readonly string[];
  examine: (patient: Patient) => Finding | Promise<Finding>;
}

// biome-ignore format: a table
const steps: readonly Step[] = [
  { title: "Node", needs: [], examine: () => examineNode(process.versions.node) },
  { title: "settings", needs: [], examine: examineSettings },
  { title: "keys", needs: [], examine: examineKeys },
  { title: "base URL", needs: [], examine: examineBaseUrl },
  { title: "directory", needs: [], examine: examineDirectory },
  { title: "disk", needs: ["directory"], examine: examineRoom },
  { title: "locks", needs: ["directory", "disk"], examine: examineLocks },
  { title: "journals", needs: [], examine: examineJournals },
  { title: "DNS", needs: ["base URL"], examine: examineName },
  { title: "TCP", needs: ["DNS"], examine: examineConnection },
  { title: "TLS", needs: ["TCP"], examine: examineTls },
  { title: "HTTP", needs: ["TLS"], examine: examineHttp },
  { title: "clock", needs: ["TLS"], examine: examineClock },
  { title: "access", needs: ["HTTP", "keys"], examine: examineAccess },
  { title: "transport", needs: ["HTTP"], examine: examineTransport },
  { title: "send", needs: ["settings", "access", "transport"], examine: sendTrace },
  { title: "find", needs: ["send"], examine: findTrace },
];

/** Titles in their order, each with those that it needs: for the documents. */
export function stepNeeds(): [title: string, needs: readonly string[]][] {
  return steps.map(({ title, needs }) => [title, needs]);
}

/** A step's finding, as `--json` has it. */
export interface StepReport extends Finding {
  step: string;
  remedy?: string;
}

/**
 * Goes through all steps. Never rejects; what was made on the way is removed again.
 *
 * @param onStep called with each report as soon as it is there.
 */
export async function examine(
  options: DoctorOptions,
  onStep: (report: StepReport) => void = () => undefined,
): Promise<StepReport[]> {
  const patient = patientFrom(options);
  const reports: StepReport[] = [];
  const passed = new Set<string>();
  for (const { title, needs, examine: look } of steps) {
    const missing = needs.find((need) => !passed.has(need));
    const finding = missing === undefined ? await lookSafely(look, patient) : skipped(`needs ${missing}`);
    if (finding.status === "ok" || finding.status === "note") passed.add(title);
    const { cause } = finding;
    const message = withoutSecrets(finding.message, patient);
    const report = { step: title, ...finding, message, ...(cause === undefined ? {} : { remedy: remedies[cause] }) };
    reports.push(report);
    onStep(report);
  }
  for (const undo of patient.undo.toReversed()) undo();
  return reports;
}

async function lookSafely(look: Step["examine"], patient: Patient): Promise<Finding> {
  try {
    return await look(patient);
  } catch (error) {
    return failed("unexpected", (error as Error).message);
  }
}

/** The last door: whatever a server or the system has said. */
function withoutSecrets(message: string, { settings }: Patient): string {
  const { secretKey } = settings.raw;
  return secretKey === undefined ? message : message.replaceAll(secretKey, "***");
}
