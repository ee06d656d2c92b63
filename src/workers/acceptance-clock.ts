import { steadyMs } from "../buffer/monotonic-ms.ts";

/** Less than that is the time between two readings, or a clock that is being adjusted. */
const smallestStepMs = 1_000;

/**
 * When was a span accepted? The journal says it in wall time, which people and other processes understand. But that
 * clock may be set, by an hour or by fifty years, and no span is older for it. So the distance between the wall clock and
 * a steady one is remembered for the ids that were accepted with it. What was in the journal at start is taken as if
 * the clock had been right all the time since.
 */
export class AcceptanceClock {
  /** In ascending order of ids. */
  #distances: { fromId: number; distanceMs: number }[] = [{ fromId: 0, distanceMs: Date.now() - steadyMs() }];

  /** The wall time at which spans with ids from this one on are accepted. */
  read(fromId: number): number {
    const wallMs = Date.now();
    const distanceMs = wallMs - steadyMs();
    const last = this.#distances.at(-1) as { distanceMs: number };
    if (Math.abs(distanceMs - last.distanceMs) >= smallestStepMs) this.#distances.push({ fromId, distanceMs });
    return wallMs;
  }

  /** When the oldest pending span was accepted, on the steady clock (`steadyMs`). */
  steadyAtMs(oldestId: number, acceptedAtMs: number): number {
    // No older one will be asked for again.
    while (this.#distances[1] !== undefined && this.#distances[1].fromId <= oldestId) this.#distances.shift();
    return acceptedAtMs - (this.#distances[0] as { distanceMs: number }).distanceMs;
  }
}
