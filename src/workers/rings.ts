import { AttachedLink } from "../buffer/attached-link.ts";
import type { RingPosition } from "../buffer/journal-meta.ts";
import { PackedPayloads } from "../buffer/packed-payloads.ts";
import { forgetRing } from "../buffer/ring.ts";
import { RingConsumer } from "../buffer/ring-consumer.ts";
import type { AttachedRing } from "./messages.ts";

interface Member {
  id: string;
  consumer: RingConsumer;
  /** Of an attached ring. */
  link: AttachedLink | undefined;
  /** The flush that is under way for its producer. */
  flush: number | undefined;
}

/** What all rings held, of all of them in one piece. */
export interface TakenFromRings {
  payloads: PackedPayloads;
  /** Frames lost to damage. */
  damaged: number;
  /** Frames, damaged ones included, of the leading ring and of the others. */
  fromLead: number;
  fromAttached: number;
  /** How far each ring is taken that something came from. */
  positions: RingPosition[];
}

/** How far the rings were filled at some moment. */
export interface RingsMark {
  lead: number;
  attached: { member: Member; kept: number }[];
}

/**
 * The rings of one pump: the buffer's own, which leads (ring.ts), and those of attached threads. What they hold is taken
 * together and committed in one transaction, however many they are. Each take begins with another ring, so that a full one
 * keeps nobody waiting.
 */
export class Rings {
  readonly lead: RingConsumer;
  readonly #members: Member[];
  /** Of the last take, with the number of the last frame before it. */
  #taken: { member: Member; lastSequence: number }[] = [];
  #turn = 0;

  constructor(leadId: string, lead: RingConsumer) {
    this.lead = lead;
    this.#members = [{ id: leadId, consumer: lead, link: undefined, flush: undefined }];
  }

  /** @param lastSequence number of the last of its frames that an earlier pump committed. */
  attach({ id, memory, lead }: AttachedRing, lastSequence: number): void {
    const consumer = new RingConsumer(memory, lastSequence, lead);
    this.#members.push({ id, consumer, link: new AttachedLink(memory, lead), flush: undefined });
  }

  get ids(): string[] {
    return this.#members.map(({ id }) => id);
  }

  /** Is there nothing to take? */
  isEmpty(): boolean {
    return this.#members.every(({ consumer }) => consumer.isEmpty());
  }

  /** Is there nothing to take, nor anything beside the ring of a thread that lives? */
  isDrained(): boolean {
    return this.#members.every((member) => member.consumer.isEmpty() && isDone(member, member.link?.kept ?? 0));
  }

  /** Of what is in them, committed or not. */
  occupiedBytes(): number {
    return this.#members.reduce((sum, { consumer }) => sum + consumer.occupiedBytes(), 0);
  }

  /** How far each of them is taken. */
  get positions(): RingPosition[] {
    return this.#members.map(positionOf);
  }

  /** As `RingConsumer.take`, of all rings together. They stay until `release`. */
  take(maxFrames: number, maxBytes: number): TakenFromRings {
    const parts: PackedPayloads[] = [];
    const positions: RingPosition[] = [];
    const from = { lead: 0, attached: 0 };
    let [frames, bytes, lost] = [0, 0, 0];
    this.#taken = [];
    this.#turn++;
    for (let index = 0; index < this.#members.length && frames < maxFrames && bytes < maxBytes; index++) {
      const member = this.#members[(this.#turn + index) % this.#members.length] as Member;
      const { consumer } = member;
      if (consumer.isEmpty()) continue;
      this.#taken.push({ member, lastSequence: consumer.lastSequence });
      const { payloads, damaged } = consumer.take(maxFrames - frames, maxBytes - bytes);
      parts.push(payloads);
      frames += payloads.count;
      bytes += payloads.byteLength;
      lost += damaged;
      from[member.link === undefined ? "lead" : "attached"] += payloads.count + damaged;
      positions.push(positionOf(member));
    }
    const payloads = PackedPayloads.joined(parts);
    return { payloads, damaged: lost, fromLead: from.lead, fromAttached: from.attached, positions };
  }

  /** What was taken is safe: its room is free. */
  release(): void {
    for (const { member } of this.#taken) member.consumer.release();
  }

  /** What was taken could not be kept: the next take brings it again. */
  rewind(): void {
    for (const { member, lastSequence } of this.#taken) member.consumer.rewind(lastSequence);
  }

  /** A mark behind everything that has been handed over now, by any thread; see `hasReleased`. */
  mark(): RingsMark {
    const attached = this.#members.flatMap((member) => {
      return member.link === undefined ? [] : [{ member, kept: member.link.kept }];
    });
    return { lead: this.lead.mark(), attached };
  }

  /** Has everything before the mark been released? What a dead thread had not yet written is not waited for. */
  hasReleased({ lead, attached }: RingsMark): boolean {
    return this.lead.hasReleased(lead) && attached.every(({ member, kept }) => isDone(member, kept));
  }

  /** Requests for a flush that nobody has attended to: what answers each. */
  newFlushes(): (() => void)[] {
    return this.#members.flatMap((member) => {
      const { link } = member;
      const request = link?.openFlush;
      if (link === undefined || request === undefined || request === member.flush) return [];
      member.flush = request;
      return [() => link.flushed(request)];
    });
  }

  /** Does somebody want a flush that nobody has attended to? */
  get isFlushWanted(): boolean {
    return this.#members.some(({ link, flush }) => link?.openFlush !== undefined && link.openFlush !== flush);
  }

  /** For the pump's figures, which will be in this place. */
  readonly count = (place: 0 | 1): void => {
    for (const { link, consumer } of this.#members) link?.count(place, consumer.lastSequence);
  };

  /** All that has been taken needs no crash log any more. */
  allSafe(): void {
    for (const { link, consumer } of this.#members) if (link !== undefined) link.safe = consumer.lastSequence;
  }

  /** Is there something for `releaseEnded`? */
  isReleaseDue(mustBeSafe: boolean): boolean {
    return this.#members.some((member) => isReleasable(member, mustBeSafe));
  }

  /**
   * Lets go of rings whose threads are gone, once all that was in them is safe where that matters. Returns how many frames
   * of each were dealt with, modulo 2^32.
   */
  releaseEnded(mustBeSafe: boolean): { id: string; frames: number }[] {
    if (this.#members.length === 1) return [];
    const gone: { id: string; frames: number }[] = [];
    for (const member of this.#members.slice(1)) {
      if (!isReleasable(member, mustBeSafe)) continue;
      this.#members.splice(this.#members.indexOf(member), 1);
      forgetRing(member.consumer.capacityBytes);
      gone.push({ id: member.id, frames: member.consumer.lastSequence });
    }
    return gone;
  }
}

function isReleasable({ consumer, link }: Member, mustBeSafe: boolean): boolean {
  if (link?.hasEnded !== true || !consumer.isEmpty()) return false;
  return !mustBeSafe || link.safe === consumer.lastSequence;
}

function positionOf({ id, consumer }: Member): RingPosition {
  return { ringId: id, sequence: consumer.lastSequence };
}

/** Has so much of what an attached thread kept been dealt with, or is it gone? A span under way may yet be dropped. */
function isDone({ consumer, link }: Member, kept: number): boolean {
  if (link === undefined) return true;
  if (link.hasEnded && consumer.isEmpty()) return true;
  return ((Math.min(kept, link.kept) - consumer.lastSequence) | 0) <= 0;
}
