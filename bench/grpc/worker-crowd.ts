import { answerCalls, tellParent } from '../harness/child.js';
import type { CrowdState } from './crowd-state.js';
import { LeanWorker } from './lean-worker.js';
import { ReferenceWorker } from './reference-worker.js';

export interface CrowdOptions {
  readonly port: number;
  readonly lean: number;
  readonly reference: number;
  /** One entry per group of workers that see the same; the workers are dealt over them. */
  readonly tagSets?: readonly (readonly string[])[];
}

/** The last reference worker has applied what was expected. By the monotonic clock of the machine. */
export interface AppliedNote {
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** Child: many workers in one process. */
const lean: LeanWorker[] = [];
const reference: ReferenceWorker[] = [];
const failures: string[] = [];
let expected: { readonly hash: string; missing: number; firstNs: bigint } | undefined;
let startedMs = 0;
let levelMs = 0;
const statusIntervalMs = 10_000;
let confirmEvery: NodeJS.Timeout | undefined;
let told = -1;

const note = (reason: string) => {
  if (failures.length < 10) failures.push(reason);
};

function slowest(): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const { position } of lean) if (position < lowest) lowest = position;
  for (const { position } of reference) if (position < lowest) lowest = position;
  return lowest;
}

/** The parent need not ask: it hears how far the slowest is. */
setInterval(() => {
  if (lean.length + reference.length === 0) return;
  const position = slowest();
  if (position === told) return;
  told = position;
  tellParent('slowest', position);
}, 1).unref();

function noteApplied(hash: string): void {
  if (expected === undefined || hash !== expected.hash) return;
  const nowNs = process.hrtime.bigint();
  if (expected.firstNs === 0n) expected.firstNs = nowNs;
  expected.missing -= 1;
  if (expected.missing > 0) return;
  tellParent('applied', { firstNs: expected.firstNs, lastNs: nowNs } satisfies AppliedNote);
  expected = undefined;
}

function noteLevel(): void {
  levelMs = performance.now() - startedMs;
}

answerCalls({
  connect: (options: CrowdOptions) => {
    const { port, tagSets = [[]] } = options;
    startedMs = performance.now();
    for (let index = 0; index < options.lean + options.reference; index += 1) {
      const tags = tagSets[index % tagSets.length] ?? [];
      const name = { node: `worker-${index}`, group: `zone-${index % 10}`, tags };
      if (index < options.lean) lean.push(new LeanWorker(port, name, { failure: note, level: noteLevel }));
      else {
        const tell = { failure: note, applied: noteApplied };
        reference.push(new ReferenceWorker(port, name, tell));
      }
    }
  },
  /** Lean workers confirm what arrived, all of them this often; 0: at once. The others confirm as they do. */
  confirmEvery: (ms: number) => {
    clearInterval(confirmEvery);
    for (const worker of lean) worker.confirmsAtOnce = ms === 0;
    if (ms === 0) return;
    confirmEvery = setInterval(() => {
      for (const worker of lean) worker.confirm();
    }, ms);
  },
  state: (): CrowdState => ({
    connected: lean.length + reference.length,
    level: [...lean, ...reference].filter(({ level }) => level).length,
    position: slowest(),
    frames: lean.reduce((sum, { counts }) => sum + counts.frames, 0),
    bytes: lean.reduce((sum, { counts }) => sum + counts.bytes, 0),
    levelMs,
    failures,
  }),
  /** The note `applied` follows when every reference worker has the definition with this hash. */
  expect: (hash: string) => {
    expected = { hash, missing: reference.length, firstNs: 0n };
  },
  /** Lean workers say how they are, as reference workers do by themselves. */
  behaveIdle: () => {
    for (const worker of lean) {
      setTimeout(
        () => setInterval(() => worker.sendStatus(), statusIntervalMs),
        Math.random() * statusIntervalMs,
      );
    }
  },
  heldByReference: () => reference.map((worker) => worker.held()),
  disconnect: async () => {
    for (const worker of lean.splice(0)) worker.close();
    await Promise.all(reference.splice(0).map((worker) => worker.stop()));
    told = -1;
  },
});
