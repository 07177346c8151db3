import { apiKey, organisation } from '../harness/definitions.js';
import { JsonLinesProcess } from '../harness/json-lines-process.js';
import { type GorpcServer, keyCount, keyName, type ServerUsage } from './gorpc-server.js';

export interface Load {
  readonly method: 'GetKey' | 'GetApiDefinitions' | 'idle' | 'poll';
  readonly gateways: number;
  /** Of each gateway. */
  readonly connections: number;
  /** Calls in flight of each gateway. */
  readonly inFlight?: number;
  readonly zones?: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerCall: number;
  readonly serverCores: number;
  readonly clientCpuUsPerCall: number;
  /** Before the first connection, and when the load was at its end. */
  readonly before: ServerUsage;
  readonly after: ServerUsage;
}

/** Puts load on a server with the Go client and measures what the server spends on it. */
export async function runLoad(program: string, server: GorpcServer, load: Load): Promise<LoadResult> {
  const before = await server.usage();
  const client = new JsonLinesProcess(program, [
    ...['-addr', server.address, '-org', organisation, '-key', apiKey, '-existing-key', keyName],
    ...['-key-count', String(keyCount)],
    ...['-method', load.method, '-duration', `${load.seconds}s`, '-zones', String(load.zones ?? 1)],
    ...['-gateways', String(load.gateways), '-conns', String(load.connections)],
    ...['-inflight', String(load.inFlight ?? 1)],
  ]);
  await client.next('ready');
  const startMs = performance.now();
  const ready = await server.usage();
  const result = await client.next('result');
  const after = await server.usage();
  const seconds = (performance.now() - startMs) / 1_000;
  await client.exited;
  if (Number(result['errors']) > 0) throw new Error(`${server.name}: ${result['first_error']}`);
  const calls = Number(result['calls']);
  const cpuUs = after.cpuUs - ready.cpuUs;
  return {
    callsPerSecond: Number(result['calls_per_second']),
    p50Ms: Number(result['p50_us']) / 1_000,
    p99Ms: Number(result['p99_us']) / 1_000,
    cpuUsPerCall: cpuUs / calls,
    serverCores: cpuUs / 1e6 / seconds,
    clientCpuUsPerCall: Number(result['client_cpu_us']) / calls,
    before,
    after,
  };
}
