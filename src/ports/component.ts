/** Something with a life: `app` starts components in order and stops them in reverse. */
export interface Component {
  readonly name: string;
  /** Resolves when it works; rejects with a CausewayError when it cannot. */
  start(): Promise<void>;
  /** Finishes what is under way until `deadlineMs` (monotonic time of the clock), then lets go. Never rejects. */
  stop(deadlineMs: number): Promise<void>;
  /** Why it is not ready, in one line without secrets; undefined when it is. */
  notReady(): string | undefined;
}
