import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import type { Answer, Call, Note, Usage } from './child-calls.js';

type Handler = (argument: never) => unknown;

/**
 * The child's side of `startChild`: answers calls of the parent by name, and ends when the parent does.
 * Every child also knows `usage`, `collectGarbage`, `startProfile` and `stopProfile`.
 */
export function answerCalls(handlers: Readonly<Record<string, Handler>>): void {
  const all: Readonly<Record<string, Handler>> = { ...common, ...handlers };
  process.on('message', ({ id, name, argument }: Call) => {
    void answer(async () => {
      const handler = all[name];
      if (handler === undefined) throw new Error(`no such call: ${name}`);
      return handler(argument as never);
    }, id);
  });
  process.on('disconnect', () => process.exit(0));
  // The parent ends its children itself, in its own order.
  process.on('SIGINT', () => {});
}

/** Tells the parent something it did not ask for. */
export function tellParent(note: string, value: unknown): void {
  process.send?.({ note, value } satisfies Note);
}

async function answer(run: () => Promise<unknown>, id: number): Promise<void> {
  let message: Answer;
  try {
    message = { id, result: await run() };
  } catch (thrown) {
    message = { id, error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  }
  process.send?.(message);
}

let profiler: Session | undefined;

const common = {
  usage: (): Usage => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    return {
      cpuUs: user + system,
      rssBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external,
      peakRssBytes,
    };
  },
  collectGarbage: () => {
    if (globalThis.gc === undefined) throw new Error('the child was started without --expose-gc');
    for (let round = 0; round < 3; round += 1) globalThis.gc();
  },
  startProfile: async () => {
    profiler = new Session();
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.start');
  },
  stopProfile: async (file: string) => {
    const stopped = await profiler?.post('Profiler.stop');
    writeFileSync(file, JSON.stringify(stopped?.profile));
    profiler?.disconnect();
  },
};
