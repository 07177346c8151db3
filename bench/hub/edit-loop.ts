/** Closed loop: the next act follows when the slowest worker is less than `ahead` edits behind. */
export interface ClosedPace {
  /** Definitions edited in one act. */
  readonly together: number;
  readonly ahead: number;
}

/** Open loop: one definition after the other, whoever is behind. */
export interface OpenPace {
  readonly perSecond: number;
}

export type EditPace = ClosedPace | OpenPace;

const tickMs = 1;

/** Decides when to edit; the server that owns it does. */
export class EditLoop {
  readonly #edit: (count: number) => void;
  #closed: ClosedPace | undefined;
  #ticks: NodeJS.Timeout | undefined;
  #made = 0;
  #received = 0;

  constructor(edit: (count: number) => void) {
    this.#edit = edit;
  }

  start(pace: EditPace): void {
    if ('ahead' in pace) {
      this.#closed = pace;
      this.#go();
      return;
    }
    const startMs = performance.now();
    let made = 0;
    this.#ticks = setInterval(() => {
      const due = Math.floor(((performance.now() - startMs) * pace.perSecond) / 1_000);
      for (; made < due; made += 1) this.#make(1);
    }, tickMs);
  }

  stop(): void {
    this.#closed = undefined;
    clearInterval(this.#ticks);
  }

  /** Edits since the start of the process. */
  get made(): number {
    return this.#made;
  }

  /** Every worker has this many edits. */
  allReceived(edits: number): void {
    this.#received = edits;
    this.#go();
  }

  #go(): void {
    const pace = this.#closed;
    if (pace === undefined) return;
    while (this.#made + pace.together - this.#received <= pace.ahead) this.#make(pace.together);
  }

  #make(count: number): void {
    this.#made += count;
    this.#edit(count);
  }
}
