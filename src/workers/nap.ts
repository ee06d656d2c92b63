/** How long the pump naps between two looks at the ring. A commit costs by the piece, so load means longer naps. */
const quietNapMs = 4;
const busyNapMs = 7;
/** For a caller whose event loop is late; with the commit itself still below the 20 ms of P3. */
const lateNapMs = 12;

/** A caller that is so late wants the core. */
const lateMs = 5;

/** So many spans in one nap are load. */
const busySpans = 16;

export function isLate(callerLateMs: number): boolean {
  return callerLateMs > lateMs;
}

export function napMs(lastTakenCount: number, isCallerLate: boolean): number {
  if (isCallerLate) return lateNapMs;
  return lastTakenCount >= busySpans ? busyNapMs : quietNapMs;
}

/** A pause that another can end early. */
export class Nap {
  #end: (() => void) | undefined;

  take(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.#end?.();
  }
}
