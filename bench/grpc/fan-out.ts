import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchOptions } from '../harness/bench-options.js';
import { pause } from '../harness/pause.js';
import { number, printTable, say, shown } from '../harness/report.js';
import { type Child, startChild } from '../harness/start-child.js';
import type { EditPace } from '../hub/edit-loop.js';
import { stateOf, untilLevel } from './crowd-state.js';

const workers = 200;
const definitions = 1_000;
const definitionBytes = 1_024;
const roundMs = 3_000;
const settleMs = 700;

interface Variant {
  readonly name: string;
  readonly pace: EditPace;
  /** How often a lean worker confirms; 0: whatever arrives, at once. */
  readonly confirmMs: number;
}

const variants: readonly Variant[] = [
  { name: 'each edit in a frame of its own', pace: { together: 1, ahead: 1 }, confirmMs: 0 },
  { name: '250 edits/s: 50,000 deliveries/s asked for', pace: { perSecond: 250 }, confirmMs: 0 },
  { name: 'edits as fast as all workers follow', pace: { together: 1, ahead: 200 }, confirmMs: 0 },
  {
    name: 'acts of 100 edits as fast as all workers follow',
    pace: { together: 100, ahead: 400 },
    confirmMs: 0,
  },
];

interface Side {
  readonly name: string;
  readonly server: Child;
  readonly crowd: Child;
}

interface Round {
  readonly deliveriesPerSecond: number;
  readonly framesPerSecond: number;
  readonly cpuUsPerDelivery: number;
  readonly cpuUsPerFrame: number;
  readonly serverCores: number;
  readonly crowdCores: number;
}

/** Changes per second to 200 workers, by the hub and by a plain gRPC server that sends the same bytes. */
export async function benchFanOut({ rounds, profile }: BenchOptions): Promise<void> {
  const dataPath = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const sides: Side[] = [];
  try {
    // Four of the hub's workers unpack and apply everything: what they hold in the end is checked.
    sides.push(await openSide('hub', 'hub/driven-hub', { dataPath, definitions, definitionBytes }, 4));
    sides.push(await openSide('plain', 'grpc/plain-server', { definitionBytes }, 0));
    for (const variant of variants) {
      const results = new Map(sides.map(({ name }): [string, Round[]] => [name, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const side of sides) {
          const profiled = profile !== undefined && round === 0 && side.name === 'hub';
          const measured = await measure(side, variant, profiled ? profile : undefined);
          results.get(side.name)?.push(measured);
          say(`${variant.name}: ${side.name} ${number(measured.deliveriesPerSecond)} deliveries/s`);
        }
      }
      print(variant, results);
    }
    await checkContent(sides[0] as Side);
  } finally {
    for (const { server, crowd } of sides) {
      await crowd.stop();
      await server.stop();
    }
    rmSync(dataPath, { recursive: true, force: true });
  }
}

async function openSide(name: string, script: string, argument: object, reference: number): Promise<Side> {
  const server = startChild(script);
  const crowd = startChild('grpc/worker-crowd');
  const { port, sequence } = await server.call<{ port: number; sequence: number }>('start', argument);
  crowd.on<number>('slowest', (position) => void server.call('allReceived', position - sequence));
  await crowd.call('connect', { port, lean: workers - reference, reference });
  await crowd.call('confirmEvery', 20);
  await untilLevel(crowd, workers);
  return { name, server, crowd };
}

async function measure(
  { server, crowd }: Side,
  variant: Variant,
  profile: string | undefined,
): Promise<Round> {
  await crowd.call('confirmEvery', variant.confirmMs);
  await server.call('startEditing', variant.pace);
  await pause(settleMs);
  const before = await sample(server, crowd);
  if (profile !== undefined) await server.call('startProfile');
  await pause(roundMs);
  if (profile !== undefined) await server.call('stopProfile', profileName(profile, variant));
  const after = await sample(server, crowd);
  await server.call('stopEditing');
  const { failures } = await stateOf(crowd);
  if (failures.length > 0) throw new Error(failures.join('\n'));
  await pause(200);
  const seconds = (after.atMs - before.atMs) / 1_000;
  // The slowest worker counts: nobody is given credit for what somebody still waits for.
  const deliveries = (after.position - before.position) * workers;
  const frames = after.frames - before.frames;
  const cpuUs = after.serverCpuUs - before.serverCpuUs;
  return {
    deliveriesPerSecond: deliveries / seconds,
    framesPerSecond: frames / seconds,
    cpuUsPerDelivery: cpuUs / deliveries,
    cpuUsPerFrame: cpuUs / frames,
    serverCores: cpuUs / 1e6 / seconds,
    crowdCores: (after.crowdCpuUs - before.crowdCpuUs) / 1e6 / seconds,
  };
}

async function sample(server: Child, crowd: Child) {
  const [serverUsage, crowdUsage, state] = await Promise.all([server.usage(), crowd.usage(), stateOf(crowd)]);
  return {
    atMs: performance.now(),
    serverCpuUs: serverUsage.cpuUs,
    crowdCpuUs: crowdUsage.cpuUs,
    position: state.position,
    frames: state.frames,
  };
}

function profileName(folder: string, { name }: Variant): string {
  return join(folder, `fan-out ${name}.cpuprofile`.replaceAll(/[ ,/]+/g, '-'));
}

function print(variant: Variant, results: ReadonlyMap<string, readonly Round[]>): void {
  const head = [
    '',
    'deliveries/s',
    'frames/s',
    'server CPU µs/delivery',
    'µs/frame',
    'server cores',
    'client cores',
  ];
  const rows = [...results].map(([name, rounds]) => {
    const of = (field: keyof Round, digits = 0) =>
      shown(
        rounds.map((round) => round[field]),
        digits,
      );
    return [
      name,
      of('deliveriesPerSecond'),
      of('framesPerSecond'),
      of('cpuUsPerDelivery', 1),
      of('cpuUsPerFrame', 1),
      of('serverCores', 2),
      of('crowdCores', 2),
    ];
  });
  const [hub = [], plain = []] = [...results.values()];
  const ratios = (field: keyof Round) =>
    hub.map((round, index) => round[field] / (plain[index]?.[field] ?? 0));
  rows.push([
    'hub / plain',
    shown(ratios('deliveriesPerSecond'), 2),
    shown(ratios('framesPerSecond'), 2),
    shown(ratios('cpuUsPerDelivery'), 2),
    shown(ratios('cpuUsPerFrame'), 2),
    '',
    '',
  ]);
  printTable(`fan-out of 1 KB changes to ${workers} workers: ${variant.name}`, head, rows);
}

/** What the reference workers hold is what is in force. */
async function checkContent({ server, crowd }: Side): Promise<void> {
  const inForce = new Map(await server.call<[string, string][]>('inForce'));
  for (const held of await crowd.call<[string, string][][]>('heldByReference')) {
    const wrong = held.filter(([id, hash]) => inForce.get(id) !== hash).length;
    if (held.length !== inForce.size || wrong > 0) {
      throw new Error(`a worker holds ${held.length} of ${inForce.size} definitions, ${wrong} of them wrong`);
    }
  }
}
