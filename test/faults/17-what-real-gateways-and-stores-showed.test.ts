import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { KeyReader } from '../../src/hub/keyspace/key-reader.js';
import { runCli, startCli } from '../integration/built-cli.js';
import { until } from '../integration/grpc-hub.js';
import { FakeClock } from '../memory/fake-clock.js';
import { MemoryKeyStore } from '../memory/memory-key-store.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';
import { describeWith } from '../services/describe-with.js';
import { startPostgres } from '../services/postgres.js';
import { redisPassword, startRedis } from '../services/redis.js';

const redis = await startRedis('standalone');
const postgres = await startPostgres();
afterAll(async () => {
  await redis?.stop();
  await postgres?.stop();
});

describeWith(
  redis && postgres ? { redis, postgres } : undefined,
  'on real stores',
  ({ redis: keys, postgres: database }) => {
    const [node] = keys.configuration.nodes;
    const redisUrl = `redis://:${redisPassword}@${node?.host}:${node?.port}/0`;

    it.each([true, false])(
      'seed writes names that fit hash_keys %s',
      async (hashKeys) => {
        const { url, drop } = await database.createDatabase();
        const client = new Redis(redisUrl);
        try {
          await client.flushall();
          const option = hashKeys ? ['--hash-keys'] : [];
          const seeded = await runCli(['seed', '--postgres', url, '--redis', redisUrl, ...option, '--json']);
          expect(seeded.exitCode, seeded.err).toBe(exitCodes.ok);
          const names = await client.keys('apikey-*');
          expect(names.length).toBeGreaterThan(0);
          // A raw key begins with the id of its organisation, which no hash does but by chance.
          for (const name of names) expect(name.startsWith('apikey-66b1a2c3d4e5f607')).toBe(!hashKeys);
          // What a hub with that setting would find.
          const path = join(await mkdtemp(join(tmpdir(), 'causeway-seeded-')), 'tyk_sink.conf');
          await writeFile(
            path,
            JSON.stringify({
              hash_keys: hashKeys,
              storage: { type: 'redis', host: node?.host, port: node?.port, password: redisPassword },
              analytics: { type: 'postgres', connection_string: url },
            }),
          );
          const checked = await runCli(['check-config', '-c', path, '--connect']);
          expect(checked.out).not.toContain('hash_keys');
          await rm(path, { force: true });
        } finally {
          client.disconnect();
          await drop();
        }
      },
      60_000,
    );

    it('a hub without the secret of private certificates says what workers will do without them', async () => {
      const vectors = JSON.parse(
        readFileSync(
          new URL('../fixtures/vectors/encrypted-private-keys.golden.json', import.meta.url),
          'utf8',
        ),
      ) as Record<string, { encrypted: string }>;
      const client = new Redis(redisUrl);
      await client.flushall();
      await client.set(
        `cert-raw-66b1a2c3d4e5f60718293a01${'ab'.repeat(32)}`,
        vectors['pkcs8']?.encrypted ?? '',
      );
      client.disconnect();
      const folder = await mkdtemp(join(tmpdir(), 'causeway-secret-'));
      const path = join(folder, 'tyk_sink.conf');
      const storage = { type: 'redis', host: node?.host, port: node?.port, password: redisPassword };
      await writeFile(path, JSON.stringify({ storage, analytics: { type: 'embedded' } }));
      const ports = ['--listen-port', '0', '--http-port', '0', '--address', '127.0.0.1'];
      const hub = startCli(['start', '-c', path, '--data', join(folder, 'data'), ...ports]);
      try {
        await until(() => hub.out().includes('call upstreams without these certificates'), 'warning', 30_000);
        expect(hub.out()).toContain('security.private_certificate_encoding_secret');
      } finally {
        hub.child.kill('SIGTERM');
        await hub.ended;
        await rm(folder, { recursive: true, force: true });
      }
    }, 60_000);
  },
);

describe('routine questions of gateways', () => {
  it('orgkey.<token> is answered as not found, counted, and no warning', async () => {
    const clock = new FakeClock();
    const log = new RecordingLog();
    const metrics = recordingMetrics();
    const reader = new KeyReader(
      {
        store: new MemoryKeyStore(clock),
        clock,
        log,
        metrics,
        obfuscate: () => '****',
        apiOwners: () => [],
      },
      { hashKeys: false },
    );
    const identity = {
      organisation: organisationId('5e9d9544a1dcd60001d0ed20'),
      user: { id: 'u', groups: [] },
    };
    expect(await reader.readOne(identity, 'orgkey.5e9d9544a1dcd60001d0ed20some-token')).toBeUndefined();
    expect(log.lines).toEqual([]);
    expect(metrics.value('causeway_keys_read_total', { result: 'denied' })).toBe(1);
    await reader.readOne(identity, 'cert-raw-5e9d9544a1dcd60001d0ed99abc');
    expect(log.lines.map(({ message }) => message)).toEqual([
      'a worker asked for a name that is not in its scope; answered as not found',
    ]);
  });
});

it('the docs say that notifications of the server are needed', async () => {
  const page = await readFile(new URL('../../docs/compatibility.md', import.meta.url), 'utf8');
  expect(page).toContain('CONFIG SET notify-keyspace-events Egx$');
});
