import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { startCli } from '../integration/built-cli.js';
import { until } from '../integration/grpc-hub.js';
import { describeWith } from '../services/describe-with.js';
import { startPostgres } from '../services/postgres.js';
import { redisPassword, startRedis } from '../services/redis.js';
import { startHub } from './started-hub.js';

const redis = await startRedis('standalone');
const postgres = await startPostgres();
afterAll(async () => {
  await redis?.stop();
  await postgres?.stop();
});

interface Readiness {
  readonly status: string;
  readonly components: readonly {
    readonly name: string;
    readonly status: string;
    readonly reason?: string;
  }[];
}

const readiness = async (origin: string) => (await (await fetch(`${origin}/readiness`)).json()) as Readiness;

describe('lists in the environment', () => {
  it.each([
    '10.0.0.1:1,10.0.0.2:2',
    '10.0.0.1:1\n10.0.0.2:2\n',
    '10.0.0.1:1,\r\n 10.0.0.2:2',
    '\n10.0.0.1:1\n\n10.0.0.2:2',
  ])('are split on commas and on line ends: %j', (text) => {
    const { values, problems } = parseConfiguration({ env: { TYK_MDCB_STORAGE_ADDRS: text } });
    expect(problems).toEqual([]);
    expect(values['storage.addrs']).toEqual(['10.0.0.1:1', '10.0.0.2:2']);
  });
});

describe('readiness of an embedded hub', () => {
  it('names its own stores', async () => {
    const hub = await startHub();
    const { status, components } = await readiness(hub.origin);
    expect(status).toBe('pass');
    expect(components.map(({ name }) => name).slice(0, 3)).toEqual(['lmdb', 'folder', 'rpc']);
    expect(components.every(({ reason }) => reason === undefined)).toBe(true);
    await hub.stop();
  }, 60_000);
});

describeWith(
  redis?.crash && postgres?.crash ? { redis, postgres } : undefined,
  'readiness of a hub on databases',
  ({ redis: keys, postgres: database }) => {
    it('names a redis that hangs, whatever its own timeout is', async () => {
      if (keys.freeze === undefined || keys.thaw === undefined) throw new Error('this Redis cannot be held');
      const folder = await mkdtemp(join(tmpdir(), 'causeway-hung-'));
      const [node] = keys.configuration.nodes;
      const path = join(folder, 'tyk_sink.conf');
      await writeFile(
        path,
        JSON.stringify({
          storage: {
            ...{ type: 'redis', host: node?.host, port: node?.port, password: redisPassword },
            timeout: 60,
          },
          analytics: { type: 'embedded' },
          healthcheck: { cache_renewal_period: 1 },
        }),
      );
      const ports = ['--address', '127.0.0.1', '--listen-port', '0', '--http-port', '0'];
      const hub = startCli(['start', '-c', path, '--data', join(folder, 'data'), ...ports]);
      try {
        await until(() => /not ready yet|hub ready/.test(hub.out()), 'start', 60_000);
        const port = /"port":(\d+)[^\n]*"HTTP port open"/.exec(hub.out())?.[1];
        const redisOf = async () => {
          const { components } = await readiness(`http://127.0.0.1:${port}`);
          return components.find(({ name }) => name === 'redis');
        };
        expect((await redisOf())?.status).toBe('pass');
        keys.freeze();
        const endMs = performance.now() + 30_000;
        let seen = await redisOf();
        while (seen?.status !== 'fail' && performance.now() < endMs) seen = await redisOf();
        expect(seen).toMatchObject({ status: 'fail', reason: expect.stringContaining('no answer in') });
      } finally {
        keys.thaw();
        hub.child.kill('SIGTERM');
        await hub.ended;
        await rm(folder, { recursive: true, force: true });
      }
    }, 120_000);

    it('names redis and postgres, each with a reason when it fails, and the log says ready only when it is', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'causeway-ready-'));
      const { url, drop } = await database.createDatabase();
      const [node] = keys.configuration.nodes;
      const path = join(folder, 'tyk_sink.conf');
      await writeFile(
        path,
        JSON.stringify({
          storage: { type: 'redis', host: node?.host, port: node?.port, password: redisPassword },
          analytics: { type: 'postgres', connection_string: url },
        }),
      );
      const ports = ['--address', '127.0.0.1', '--listen-port', '0', '--http-port', '0'];
      const hub = startCli(['start', '-c', path, '--data', join(folder, 'data'), ...ports]);
      try {
        const portOpen = () => /"HTTP port open"/.test(hub.out());
        await until(portOpen, 'HTTP port', 60_000);
        const line =
          hub
            .out()
            .split('\n')
            .find((one) => one.includes('HTTP port open')) ?? '';
        const origin = `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
        await until(() => /not ready yet|hub ready/.test(hub.out()), 'start', 60_000);
        // The database is empty: there is no catalog, so it is not ready, and no earlier one is claimed.
        expect(hub.out()).toContain('hub started, not ready yet');
        expect(hub.out()).not.toContain('hub ready');
        expect(hub.out()).toContain('there is no earlier one');
        expect(hub.out()).not.toContain('last good one');
        const empty = await readiness(origin);
        expect(empty.status).toBe('fail');
        expect(empty.components.map(({ name, status }) => `${name} ${status}`).slice(0, 3)).toEqual([
          'redis pass',
          'postgres fail',
          'rpc pass',
        ]);
        expect(empty.components[1]?.reason).toMatch(/tyk_apis|table|relation/);
        await keys.crash?.();
        for (
          const endMs = performance.now() + 30_000;
          (await readiness(origin)).components[0]?.status !== 'fail';
        ) {
          expect(performance.now()).toBeLessThan(endMs);
        }
        expect((await readiness(origin)).components[0]?.reason).toMatch(/redis|ECONNREFUSED|closed|answer/i);
      } finally {
        hub.child.kill('SIGTERM');
        expect(await hub.ended).toBe(exitCodes.ok);
        await drop();
        await rm(folder, { recursive: true, force: true });
      }
    }, 120_000);
  },
);
