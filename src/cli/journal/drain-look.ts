/** What a directory has for one project, and what it has for others. */
import { join } from "node:path";
import { heldFilesOf } from "../../buffer/held-files.ts";
import { lookAtHeldEvents } from "../../buffer/held-look.ts";
import { isSameOwner, type JournalOwner } from "../../buffer/journal-owner.ts";
import { heldFolder } from "../../server/running-project.ts";
import { leftBeside, type Place, placesIn } from "./places.ts";

export interface DrainLook {
  /** Journals and files of held events of this project that no living process had at the first look. */
  ours: { waiting: number }[];
  /** Journals of this project in use. */
  inUse: Place[];
  /** Journals of other projects that nobody has in use. */
  others: Place[];
}

/** Looks again and again. What others had in use at the beginning is theirs. */
export class DrainWatch {
  readonly #directory: string;
  readonly #owner: JournalOwner;
  readonly #living: ReadonlySet<string>;

  constructor(directory: string, owner: JournalOwner) {
    this.#directory = directory;
    this.#owner = owner;
    const all = [...placesIn(directory), ...this.#held()];
    this.#living = new Set(all.filter(({ isHeld }) => isHeld).map(({ file }) => file));
  }

  look(): DrainLook {
    const isOurs = ({ file }: { file: string }): boolean => !this.#living.has(file);
    const [own, others] = partition(placesIn(this.#directory), ({ owner }) => isSameOwner(owner, this.#owner));
    return {
      ours: [...own, ...this.#held()].filter(isOurs),
      inUse: own.filter((place) => !isOurs(place)),
      others: others.filter(({ isHeld, waiting, trouble }) => !isHeld && (waiting > 0 || trouble !== undefined)),
    };
  }

  /** Is there anything that a process of this project could take at its start? */
  isAnythingThere(crashLogDirectory: string): boolean {
    return this.waiting() > 0 || [this.#directory, crashLogDirectory].some((each) => leftBeside(each).length > 0);
  }

  /** Spans and events of ours that wait. */
  waiting(): number {
    return this.look().ours.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  #held(): ReturnType<typeof lookAtHeldEvents>[] {
    return heldFilesOf(join(this.#directory, heldFolder), this.#owner).map(lookAtHeldEvents);
  }
}

function partition<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
