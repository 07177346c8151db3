/** Something that the demo promised did not happen. */
export class DemoFailure extends Error {
  readonly step: string;

  constructor(step: string, reason: string, cause?: unknown) {
    super(`${step}: ${reason}`, { cause });
    this.name = 'DemoFailure';
    this.step = step;
  }
}

const pollMs = 5;
const deadlineMs = 20_000;

/** Looks until `find` finds something. Rejects with a `DemoFailure` after `deadlineMs`. */
export async function waitFor<Found>(
  step: string,
  what: string,
  find: () => Found | undefined | Promise<Found | undefined>,
  aborted: AbortSignal,
): Promise<Found> {
  const start = performance.now();
  for (;;) {
    if (aborted.aborted) throw new DemoFailure(step, String(aborted.reason));
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() - start > deadlineMs) {
      throw new DemoFailure(step, `${what} did not happen within ${deadlineMs / 1000} s`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pollMs);
    });
  }
}

export function check(step: string, condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new DemoFailure(step, otherwise);
}
