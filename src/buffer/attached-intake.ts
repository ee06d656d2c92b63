import { AttachedLink } from "./attached-link.ts";
import type { ConstantFields } from "./constant-fields.ts";
import { Intake, type IntakeOptions } from "./intake.ts";
import type { SpanPayload } from "./span-payload.ts";

/** The caller's end of the way in an attached thread: an intake whose figures the owner of the buffer can read. */
export class AttachedIntake {
  readonly intake: Intake;
  readonly link: AttachedLink;

  constructor(options: IntakeOptions & { lead: SharedArrayBuffer }) {
    this.intake = new Intake(options);
    this.link = new AttachedLink(options.ring, options.lead);
  }

  get maxSpanBytes(): number {
    return this.intake.maxSpanBytes;
  }

  /** As `Intake.offer`; a buffer that is shut down takes nothing. */
  offer(payload: SpanPayload, constants?: ConstantFields): boolean {
    const { intake, link } = this;
    if (link.isBufferClosed) intake.close();
    link.accept(intake.accepted + 1);
    const { truncated } = intake;
    const isKept = intake.offer(payload, constants);
    if (!isKept || intake.truncated !== truncated) link.account(intake.truncated, intake.dropped);
    return isKept;
  }

  /** Counts a span that sampling has excluded. */
  sampleOut(): false {
    const { intake, link } = this;
    link.accept(intake.accepted + 1);
    intake.sampleOut();
    link.account(intake.truncated, intake.dropped);
    return false;
  }

  /** Spans that the pump has not committed yet. */
  get waiting(): number {
    return ((this.intake.ring.sequence - this.link.lastCounted) | 0) + this.intake.overflowCount;
  }

  /** No span will follow: the pump may let go of the ring once it is empty. */
  end(): void {
    this.intake.close();
    this.link.end();
    this.intake.ring.wake();
  }
}
