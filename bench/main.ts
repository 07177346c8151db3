import { parseArgs } from 'node:util';
import type { BenchOptions } from './harness/bench-options.js';
import { printMachine, say } from './harness/report.js';
import { runAlone } from './harness/run-alone.js';
import { stopChildren } from './harness/start-child.js';

/** Loaded when they run, so that one that cannot be loaded does not stop the others. */
const benches: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  'grpc/fan-out': async (options) => (await import('./grpc/fan-out.js')).benchFanOut(options),
  'grpc/file-to-worker': async (options) =>
    (await import('./grpc/file-to-worker.js')).benchFileToWorker(options),
  'grpc/snapshot-crowd': async (options) =>
    (await import('./grpc/snapshot-crowd.js')).benchSnapshotCrowd(options),
  'grpc/idle': async (options) => (await import('./grpc/idle.js')).benchIdle(options),
  'gorpc/get-key': async (options) => (await import('./gorpc/get-key.js')).benchGetKey(options),
  'gorpc/definitions': async (options) => (await import('./gorpc/definitions.js')).benchDefinitions(options),
  'gorpc/idle': async (options) => (await import('./gorpc/idle.js')).benchIdleMemory(options),
  'gorpc/poll': async (options) => (await import('./gorpc/idle.js')).benchPoll(options),
  'micro/fan-out-session': () => runAlone('micro/fan-out-session'),
  'micro/gorpc-call': () => runAlone('micro/gorpc-call'),
  'micro/gorpc-codec': () => runAlone('micro/gorpc-codec'),
  'redis/get-key': async (options) => (await import('./redis/get-key.js')).benchRedisGetKey(options),
  'redis/key-store': () => runAlone('redis/key-store'),
  start: async (options) => (await import('./start/start.js')).benchStart(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    profile: { type: 'string' },
  },
});
const chosen = Object.keys(benches).filter(
  (name) =>
    positionals.length === 0 || positionals.some((given) => name === given || name.startsWith(`${given}/`)),
);
const rounds = Number(values.rounds);
if (chosen.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  say('node bench/run.mjs [--rounds 5] [--profile FOLDER] [name or folder of a benchmark…]');
  say(`benchmarks: ${Object.keys(benches).join(' ')}`);
  process.exit(2);
}
printMachine();
for (const name of chosen) {
  say(`\n== ${name}`);
  try {
    await benches[name]?.({ rounds, profile: values.profile });
  } catch (thrown) {
    say(`${name}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    process.exitCode = 1;
  } finally {
    await stopChildren();
  }
}
