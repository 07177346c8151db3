/** What parent and child of a benchmark say to each other. */
export interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

export interface Note {
  readonly note: string;
  readonly value: unknown;
}

export interface Usage {
  /** User and system time of all threads since the start. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Memory of buffers, outside the heap. */
  readonly externalBytes: number;
  readonly peakRssBytes: number;
}
