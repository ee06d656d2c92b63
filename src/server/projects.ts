import { type ResolvedOptions, optionsFor } from "../options.ts";
import { Access } from "./access.ts";
import type { Log, Project, Projects, Refusal } from "./context.ts";
import type { ProjectEntry } from "./projects-file.ts";
import { RunningProject } from "./running-project.ts";

/** The only project when there is no projects file. */
const onlyProject = "default";

export interface ProjectRegistryOptions {
  /** For all projects; its keys and base URL are the one project's when there is no file. */
  buffer: ResolvedOptions;
  /** As the file has them. */
  entries: readonly ProjectEntry[] | undefined;
  isLoopback: boolean;
  log: Log;
}

/** What another reading of the file changed, by name. */
export interface ProjectChanges {
  added: string[];
  removed: string[];
  /** Another secret key. */
  changed: string[];
  renamed: string[];
  /** Whose buffers nobody asks for any more: to be shut down once the requests of before have ended. */
  retired: RunningProject[];
}

/** The projects that callers may send to, and who may. */
export class ProjectRegistry implements Projects {
  readonly #options: ProjectRegistryOptions;
  #running: readonly RunningProject[];
  #access: Access<RunningProject>;

  constructor(options: ProjectRegistryOptions) {
    this.#options = options;
    this.#running = options.entries?.map((entry) => this.#start(entry)) ?? [
      new RunningProject(onlyProject, options.buffer, options.log),
    ];
    this.#access = this.#newAccess();
  }

  authenticate(authorization: string | undefined): Project | Refusal {
    const decision = this.#access.decide(authorization);
    return "subject" in decision ? decision.subject : decision.refusal;
  }

  all(): readonly RunningProject[] {
    return this.#running;
  }

  /**
   * Takes these in place of those before. A project keeps its buffers unless its host or keys are other ones; what a
   * buffer leaves in its journal is delivered by the next with the same host and public key.
   */
  replace(entries: readonly ProjectEntry[]): ProjectChanges {
    const before = this.#running;
    const changes: ProjectChanges = { added: [], removed: [], changed: [], renamed: [], retired: [] };
    const kept = new Set<RunningProject>();
    this.#running = entries.map((entry) => {
      const same = before.find(({ destination }) => isSameProject(destination, entry));
      if (same === undefined) changes.added.push(entry.name);
      else if (same.destination.secretKey === entry.secretKey) {
        kept.add(same);
        if (same.name !== entry.name) changes.renamed.push(`${same.name} to ${entry.name}`);
        same.rename(entry.name);
        return same;
      } else {
        kept.add(same);
        changes.changed.push(entry.name);
        changes.retired.push(same);
      }
      return this.#start(entry);
    });
    for (const project of before) {
      if (kept.has(project)) continue;
      changes.removed.push(project.name);
      changes.retired.push(project);
    }
    this.#access = this.#newAccess();
    return changes;
  }

  #start({ name, publicKey, secretKey, baseUrl }: ProjectEntry): RunningProject {
    const { buffer, log } = this.#options;
    return new RunningProject(name, optionsFor(buffer, { publicKey, secretKey, baseUrl }), log);
  }

  #newAccess(): Access<RunningProject> {
    const subjects = this.#running.map((subject) => {
      const { publicKey, secretKey } = subject.destination;
      return { subject, credentials: publicKey === "" ? undefined : { publicKey, secretKey } };
    });
    return new Access({ subjects, isLoopback: this.#options.isLoopback });
  }
}

function isSameProject(destination: Project["destination"], entry: ProjectEntry): boolean {
  return destination.baseUrl === entry.baseUrl && destination.publicKey === entry.publicKey;
}
