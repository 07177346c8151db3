/** What further values of a bounded label are counted as. */
export const otherLabelValue = 'other';

/** Lets the first `valuesMax` distinct values of one label through; each further one becomes `other`. */
export class LabelBound {
  readonly #seen = new Set<string>();
  readonly #valuesMax: number;
  readonly #onHit: () => void;

  constructor(valuesMax: number, onHit: () => void) {
    this.#valuesMax = valuesMax;
    this.#onHit = onHit;
  }

  fold(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size < this.#valuesMax) {
      this.#seen.add(value);
      return value;
    }
    this.#onHit();
    return otherLabelValue;
  }
}
