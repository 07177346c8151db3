/** How one loop of the hub tells how it gets on. Cheap: may be called with every item. */
export interface LoopProgress {
  /** There is something to do, or it cannot be known whether there is. */
  hasWork(): void;
  /** Something was done, or there turned out to be nothing to do. */
  madeProgress(): void;
}

/**
 * Notes which loops get on. A loop that fails and tries again, for ever and in good order, looks well from
 * outside: its component is up, and its log says what it said an hour ago.
 */
export interface ProgressWatch {
  /** `name` is shown to operators and is a label: short, without spaces. Asked twice, it is the same loop. */
  loop(name: string): LoopProgress;
}
