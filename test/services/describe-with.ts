import { describe } from 'vitest';

/**
 * A suite that needs something which may not be there. Unlike the body of `describe.skipIf`, which is run to find
 * the names of its tests, this one is not run without it, so it may take it to pieces at once.
 */
export function describeWith<Needed>(
  needed: Needed | undefined,
  name: string,
  body: (needed: Needed) => void,
): void {
  if (needed === undefined) describe.skip(name);
  else describe(name, () => body(needed));
}
