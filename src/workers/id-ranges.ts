interface IdRange {
  from: number;
  /** The last one, included. */
  through: number;
}

/** Ids in ascending order as ranges: added at the end, taken away from the beginning. */
export class IdRanges {
  #ranges: IdRange[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#ranges.length;
  }

  /** The range with the lowest ids. */
  get first(): Readonly<IdRange> | undefined {
    return this.#ranges[this.#head];
  }

  /** Adds ids that are all higher than those that are here. */
  add(from: number, through: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && !this.isEmpty && last.through + 1 === from) last.through = through;
    else this.#ranges.push({ from, through });
  }

  /** Adds ids that are all lower than those that are here. */
  addBefore(from: number, through: number): void {
    const { first } = this;
    if (first !== undefined && through + 1 === first.from) (first as IdRange).from = from;
    else this.#ranges.splice(this.#head, 0, { from, through });
  }

  /** Takes all ids up to this one away. */
  removeThrough(id: number): void {
    for (let first = this.first; first !== undefined && first.from <= id; first = this.first) {
      if (first.through > id) {
        (first as IdRange).from = id + 1;
        break;
      }
      this.#head++;
    }
    if (this.#head > 64 && this.#head * 2 > this.#ranges.length) {
      this.#ranges = this.#ranges.slice(this.#head);
      this.#head = 0;
    }
  }
}
