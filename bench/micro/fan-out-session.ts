import type { Change, NewChange } from '../../src/domain/change.js';
import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import { emptySnapshot } from '../../src/hub/distribution/organisation-snapshot.js';
import { Fanout } from '../../src/hub/fanout/fanout.js';
import type { WorkerSession } from '../../src/hub/fanout/worker-session.js';
import type { ChangeLog } from '../../src/ports/change-log.js';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { ProtoFrameEncoder } from '../../src/transport/grpc/proto-frame-encoder.js';

/**
 * Processor time of one delivery and of one confirmation in the fan-out itself: 200 sessions on links that only
 * count, a log in memory, nothing on a wire.
 */
const sessionsMax = 200;
const changesPerRound = 300;
const rounds = 15;

const organisation = organisationId('bench');
const metrics = { add: () => {}, set: () => {}, observe: () => {}, reset: () => {} };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

const entries: Change[] = [];
let tell: (owner: typeof organisation, newest: number) => void = () => {};
const changeLog: ChangeLog = {
  epoch: 'bench',
  append: async (changes: readonly NewChange[]) => {
    const numbered = changes.map((change, index) => ({ ...change, sequence: entries.length + index + 1 }));
    entries.push(...numbered);
    tell(organisation, entries.length);
    return numbered;
  },
  read: async (_organisation, after, limit) => entries.slice(after, after + limit),
  bounds: async () => ({ oldest: 1, newest: entries.length }),
  subscribe: (listener) => {
    tell = listener;
    return () => {};
  },
  readCursor: async () => undefined,
  moveCursor: async () => {},
  moveCursorDurably: async () => {},
  removeCursor: async () => {},
  cursors: async () => [],
};

const fanout = new Fanout({
  changeLog,
  encoder: new ProtoFrameEncoder({ id: 'bench', version: 'bench', heartbeatIntervalMs: 10_000 }, metrics),
  snapshotOf: () => emptySnapshot(organisation),
  clock: new SystemClock(),
  log: silent,
  metrics,
  heartbeatIntervalMs: 1_000_000,
  random: Math.random,
});
await fanout.start();

let frames = 0;
const sessions: WorkerSession[] = Array.from({ length: sessionsMax }, (_, index) =>
  fanout.open(
    {
      identity: { organisation, user: { id: 'user', groups: [] } },
      zone: zoneId('zone'),
      node: nodeId(`worker-${index}`),
      scope: { organisation, segmented: false, tags: [], owner: undefined },
      codec: 'lz4',
      cursor: undefined,
      held: new Map(),
    },
    {
      send: () => {
        frames += 1;
        return true;
      },
      close: ({ message }) => {
        throw new Error(message);
      },
    },
  ),
);
await settled();
for (const session of sessions) session.acknowledge(0);

const deliveries: number[] = [];
const confirmations: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  let deliverUs = 0;
  let confirmUs = 0;
  for (let change = 0; change < changesPerRound; change += 1) {
    const before = frames;
    const startUs = cpuUs();
    await changeLog.append([
      {
        organisation,
        atMs: 0,
        body: { type: 'key', event: { kind: 'key-changed', key: 'k', hashed: false } },
      },
    ]);
    await settled();
    deliverUs += cpuUs() - startUs;
    if (frames - before !== sessionsMax) throw new Error(`${frames - before} frames`);
    const confirmStartUs = cpuUs();
    for (const session of sessions) session.acknowledge(entries.length);
    await settled();
    confirmUs += cpuUs() - confirmStartUs;
  }
  deliveries.push((deliverUs * 1_000) / changesPerRound / sessionsMax);
  confirmations.push((confirmUs * 1_000) / changesPerRound / sessionsMax);
}
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]?.toFixed(0);
console.log(`delivery      ${median(deliveries)} ns`);
console.log(`confirmation  ${median(confirmations)} ns`);
process.exit(0);

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
