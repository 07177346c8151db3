import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A store under test with the levers that the suites pull. A store of another kind joins by one line in its
 * test file: `describeKeyStore('redis', openRedisFixture)`.
 */
export interface StoreFixture<Store> {
  readonly store: Store;
  /** Lets this much time pass for the store: a fake clock moves on, a server is waited for. */
  passTime(ms: number): Promise<void>;
  /** Closes in good order and opens again with the same data. */
  reopen(): Promise<Store>;
  /** Removes everything. */
  dispose(): Promise<void>;
}

export type OpenFixture<Store, Options = undefined> = (options?: Options) => Promise<StoreFixture<Store>>;

export async function temporaryFolder(): Promise<{
  readonly path: string;
  readonly remove: () => Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), 'causeway-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Polls until `check` gives something; rejects after the deadline. */
export async function eventually<Result>(
  what: string,
  check: () => Result | undefined | Promise<Result | undefined>,
  deadlineMs = 10_000,
): Promise<Result> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const result = await check();
    if (result !== undefined) return result;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
