/** What `status` tells of a directory, as numbers. */
import { relative } from "node:path";
import type { LetterCount } from "../../buffer/dead-letters.ts";
import type { JournalOwner } from "../../buffer/journal-owner.ts";
import type { LookTrouble } from "../../buffer/journal-look.ts";
import type { JournalKind, Survey } from "../survey.ts";

/** One file that holds something back for Langfuse. */
export interface StoreFigures {
  /** Its path below the directory. */
  file: string;
  /** `held`: events of old SDKs until they are whole. */
  kind: JournalKind | "held";
  /** A living process writes it, or it was left behind and waits for one. */
  state: "living" | "orphan";
  /** Null: the file does not say whose it is. */
  owner: JournalOwner | null;
  waiting: number;
  /** Of the oldest that waits; 0: none does. */
  oldestAgeMs: number;
  bytes: number;
  deadLetters: LetterCount[];
  /** Committed spans by ring, from which `rates.ts` makes a rate. */
  taken: Readonly<Record<string, number>>;
  trouble: LookTrouble | null;
}

export interface StatusFigures {
  directory: string;
  atMs: number;
  stores: StoreFigures[];
  leftovers: Survey["leftovers"];
  /** Damaged files that are kept. */
  setAside: string[];
  totals: { waiting: number; oldestAgeMs: number; bytes: number; deadLetters: number };
}

export function figuresOf({ directory, journals, held, leftovers, setAside }: Survey, atMs: number): StatusFigures {
  const common = (look: {
    file: string;
    isHeld: boolean;
    waiting: number;
    bytes: number;
    oldestAtMs?: number | undefined;
  }) =>
    ({
      file: relative(directory, look.file),
      state: look.isHeld ? "living" : "orphan",
      waiting: look.waiting,
      oldestAgeMs: look.oldestAtMs === undefined ? 0 : Math.max(0, atMs - look.oldestAtMs),
      bytes: look.bytes,
    }) as const;
  const stores: StoreFigures[] = [
    ...journals.map((look) => ({
      ...common(look),
      kind: look.kind,
      owner: look.owner.baseUrl === "unknown" ? null : look.owner,
      deadLetters: look.deadLetters,
      taken: look.taken,
      trouble: look.trouble ?? null,
    })),
    ...held.map((look) => ({
      ...common(look),
      kind: "held" as const,
      owner: null,
      deadLetters: [],
      taken: {},
      trouble: look.trouble ?? null,
    })),
  ];
  const sum = (valueOf: (store: StoreFigures) => number): number =>
    stores.reduce((total, store) => total + valueOf(store), 0);
  const totals = {
    waiting: sum(({ waiting }) => waiting),
    oldestAgeMs: Math.max(0, ...stores.map(({ oldestAgeMs }) => oldestAgeMs)),
    bytes: sum(({ bytes }) => bytes),
    deadLetters: sum(({ deadLetters }) => deadLetters.reduce((total, { count }) => total + count, 0)),
  };
  return { directory, atMs, stores, leftovers, setAside: setAside.map((file) => relative(directory, file)), totals };
}
