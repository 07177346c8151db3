import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { hashKey } from '../../src/domain/key-hash.js';
import { seedFirstStart } from '../../src/stores/folder/first-start.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { redisPassword, startRedis } from '../services/redis.js';
import { GorpcClient, type Outcome } from './gorpc-client.js';
import { groupLogin, groupPoll } from './gorpc-hub.js';

const examplesPath = fileURLToPath(new URL('../../examples/control-plane', import.meta.url));
const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/encrypted-private-keys.golden.json', import.meta.url), 'utf8'),
) as Record<string, { encrypted: string; clear: string }>;

const service = await startRedis('standalone');
afterAll(() => service?.stop());

describe.skipIf(service?.crash === undefined)('a hub on redis', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let control: Redis;
  let organisation: string;
  let apiKey: string;
  const hubs: RunningHub[] = [];
  const clients: GorpcClient[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    await service!.flush();
    const [node] = service!.configuration.nodes;
    control = new Redis({ ...node, password: redisPassword });
    control.on('error', () => {});
    const catalogPath = join(folder.path, 'catalog');
    const seeded = await seedFirstStart({ examplesPath, catalogPath, random: randomBytes });
    if (seeded === undefined) throw new Error('no examples');
    ({ organisation, apiKey } = seeded);
    await seeded.commit();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const hub of hubs.splice(0)) await hub.stop('test');
    control.disconnect();
    await folder.remove();
  });

  async function start(more: Record<string, unknown> = {}): Promise<RunningHub> {
    const [node] = service!.configuration.nodes;
    const text = JSON.stringify({
      listen_port: 0,
      http_port: 0,
      hash_keys: true,
      log_level: 'error',
      storage: { type: 'redis', host: node!.host, port: node!.port, password: redisPassword, timeout: 2 },
      analytics: { type: 'embedded' },
      healthcheck: { cache_renewal_period: 1 },
      security: { private_certificate_encoding_secret: 'test-secret' },
      causeway: {
        listen_address: '127.0.0.1',
        http_address: '127.0.0.1',
        data_path: join(folder.path, 'data'),
        catalog_path: join(folder.path, 'catalog'),
        ...more,
      },
    });
    const parsed = parseConfiguration({ file: { path: 'test.conf', text }, env: {} });
    expect(parsed.problems).toEqual([]);
    const hub = await runHub({ parsed, embedded: false });
    hubs.push(hub);
    return hub;
  }

  async function worker(hub: RunningHub): Promise<GorpcClient> {
    const client = await GorpcClient.open({ port: hub.listen.port });
    clients.push(client);
    expect(await client.call('LoginWithGroup', groupLogin('zone-a', {}, apiKey))).toMatchObject({
      value: true,
    });
    return client;
  }

  const session = () => JSON.stringify({ org_id: organisation, rate: 1 });
  const readiness = async (hub: RunningHub) => {
    const answer = await fetch(`http://127.0.0.1:${hub.http.port}/readiness`);
    const body = (await answer.json()) as { components: { name: string; status: string }[] };
    const failed = body.components.filter(({ status }) => status !== 'pass').map(({ name }) => name);
    return { status: answer.status, failed };
  };
  const untilReadiness = (hub: RunningHub, status: number) =>
    eventually(`readiness is ${status}`, async () => {
      const now = await readiness(hub);
      return now.status === status ? now : undefined;
    });
  const apis = (client: GorpcClient) =>
    client.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: organisation });
  const errorOf = (outcome: Outcome) => ('error' in outcome ? outcome.error : undefined);

  it('serves keys of redis, and decrypts private keys', async () => {
    const hash = hashKey('some-key');
    const certificate = `${organisation}${'ab'.repeat(32)}`;
    const { encrypted, clear } = vectors['pkcs1']!;
    await control.set(`apikey-${hash}`, session(), 'EX', 100);
    await control.set(`cert-raw-${certificate}`, encrypted);
    const hub = await start();
    const client = await worker(hub);
    expect(await client.call('GetKey', `apikey-${hash}`)).toMatchObject({ value: session() });
    expect(await client.call('GetKey', 'some-key')).toMatchObject({ value: session() });
    const life = await client.call('GetExp', `apikey-${hash}`);
    if (!('value' in life)) throw new Error(life.error);
    expect(life.type).toBe('int64');
    expect(life.value).toBeGreaterThan(80);
    expect(life.value).toBeLessThanOrEqual(100);
    expect(await client.call('GetKey', `cert-raw-${certificate}`)).toMatchObject({ value: clear });
    expect(await readiness(hub)).toEqual({ status: 200, failed: [] });
  });

  it('hears what gateways and the dashboard say, and tells the zone', async () => {
    const hub = await start({ node_secret: 'the-node-secret' });
    const client = await worker(hub);
    const publish = (command: string, payload: string, secret = 'the-node-secret') => {
      const signature = createHash('sha256').update(`${command}${payload}${secret}`).digest('hex');
      return control.publish(
        'tyk.cluster.notifications',
        JSON.stringify({ command, payload, signature, algorithm: 5 }),
      );
    };
    await eventually('the hub listens', async () => {
      const [, listeners] = (await control.pubsub('NUMSUB', 'tyk.cluster.notifications')) as [string, number];
      return listeners > 0 || undefined;
    });
    const polled = async () => {
      const seen = new Set<string>();
      await eventually('an event arrives', async () => {
        const outcome = await client.call('GetGroupKeySpaceUpdate', groupPoll('zone-a', organisation));
        if ('value' in outcome && Array.isArray(outcome.value)) {
          for (const one of outcome.value) seen.add(String(one));
        }
        return seen.size > 0 || undefined;
      });
      return [...seen];
    };
    await client.call('GetGroupKeySpaceUpdate', groupPoll('zone-a', organisation));
    const hash = hashKey('another-key');
    await control.set(`apikey-${hash}`, session());
    await publish('KeySpaceUpdateNotification', hash, 'wrong');
    await publish('KeySpaceUpdateNotification', hash);
    expect(await polled()).toContain(`${hash}:hashed`);
    await control.del(`apikey-${hash}`);
    await publish('KeySpaceUpdateNotification', hash);
    expect(await polled()).toContain(`${hash}:hashed`);
  }, 40_000);

  it('outlives redis: errors and not "not found", readiness that names it, recovery by itself', async () => {
    const hash = hashKey('some-key');
    await control.set(`apikey-${hash}`, session());
    const hub = await start();
    const client = await worker(hub);
    const missing = errorOf(await client.call('GetKey', 'apikey-missing'));
    expect(missing).toBeTypeOf('string');
    await service!.crash!();
    const failed = errorOf(await client.call('GetKey', `apikey-${hash}`));
    expect(failed).toBeTypeOf('string');
    expect(failed).not.toBe(missing);
    expect(failed).not.toBe('Access Denied');
    expect((await untilReadiness(hub, 503)).failed).toEqual(['redis']);
    // Definitions do not come from there.
    expect(await apis(client)).toHaveProperty('value');

    // A hub that starts meanwhile has the last good catalog, and serves it.
    await hubs.splice(0)[0]!.stop('test');
    const second = await start();
    const other = await worker(second);
    expect(await apis(other)).toHaveProperty('value');
    expect(errorOf(await other.call('GetKey', `apikey-${hash}`))).toBe(failed);
    expect(await readiness(second)).toEqual({ status: 503, failed: ['redis'] });

    await service!.restart!();
    await control.set(`apikey-${hash}`, session());
    await untilReadiness(second, 200);
    expect(await other.call('GetKey', `apikey-${hash}`)).toMatchObject({ value: session() });
  }, 40_000);
});
