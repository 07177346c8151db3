export interface BenchOptions {
  /** Repetitions of what is measured. */
  readonly rounds: number;
  /** Folder for CPU profiles of the hub. */
  readonly profile: string | undefined;
}
