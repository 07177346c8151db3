import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { credentialsPath } from '../../src/app/credentials-file.js';
import { type RunningHub, runHub } from '../../src/app/run-hub.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import type { Definition } from '../../src/domain/definition.js';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import { placesOf } from '../../src/domain/definition-places.js';
import { sees, type ViewScope } from '../../src/domain/view.js';
import { eventually, temporaryFolder } from '../contract/fixture.js';
import { GorpcClient } from '../integration/gorpc-client.js';
import { groupLogin } from '../integration/gorpc-hub.js';
import { settle } from '../memory/fake-clock.js';
import { acme, DistributorFixture, definition, everyone } from '../unit/distribution/distribution-fixture.js';

const organisation = '5e9d9544a1dcd60001d0ed20';
const apiKey = 'key-of-the-gateway';

describe('fifteen APIs of which eleven are published anew, on the same listen paths', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let catalogPath: string;
  const hubs: RunningHub[] = [];
  const clients: GorpcClient[] = [];
  beforeEach(async () => {
    folder = await temporaryFolder();
    catalogPath = join(folder.path, 'catalog');
    for (const name of ['organisations', 'users', 'apis', 'policies']) {
      await mkdir(join(catalogPath, name), { recursive: true });
    }
    await write('organisations/acme', { id: organisation, owner_name: 'Acme', hybrid_enabled: true });
    const user = { id: 'ada', org_id: organisation, email_address: 'a@a', access_key: apiKey, active: true };
    await write('users/ada', user);
    for (let number = 1; number <= 15; number += 1) await publish('first', number);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const hub of hubs.splice(0)) await hub.stop('test');
    await folder.remove();
  });

  const write = (name: string, content: object) =>
    writeFile(join(catalogPath, `${name}.json`), JSON.stringify(content));
  const publish = (edition: string, number: number) =>
    write(`apis/${edition}-${number}`, {
      ...{ api_id: `${edition}-${number}`, org_id: organisation, name: `API ${number}`, active: true },
      proxy: { listen_path: `/path-${number}/`, target_url: 'http://127.0.0.1:9' },
    });
  const withdraw = (edition: string, number: number) =>
    rm(join(catalogPath, 'apis', `${edition}-${number}.json`));
  const eleven = Array.from({ length: 11 }, (_, index) => index + 1);
  const all = Array.from({ length: 15 }, (_, index) => `/path-${index + 1}/`).sort();
  const after = [
    ...eleven.map((number) => `second-${number}`),
    ...[12, 13, 14, 15].map((number) => `first-${number}`),
  ].sort();

  async function start(): Promise<RunningHub> {
    const text = JSON.stringify({
      ...{ listen_port: 0, http_port: 0, log_level: 'error' },
      storage: { type: 'embedded' },
      analytics: { type: 'embedded' },
      security: { enable_http_secure_endpoints: true, secret: 'secret-of-the-test' },
      causeway: {
        ...{ listen_address: '127.0.0.1', http_address: '127.0.0.1' },
        ...{ data_path: join(folder.path, 'data'), catalog_path: catalogPath },
      },
    });
    const parsed = parseConfiguration({ file: { path: 'test.conf', text }, env: {} });
    expect(parsed.problems).toEqual([]);
    const hub = await runHub({ parsed, embedded: true });
    hubs.push(hub);
    return hub;
  }

  async function restart(): Promise<RunningHub> {
    for (const hub of hubs.splice(0)) await hub.stop('test');
    return start();
  }

  async function accept(hub: RunningHub): Promise<unknown> {
    const { http_secret: secret } = JSON.parse(
      readFileSync(credentialsPath(join(folder.path, 'data')), 'utf8'),
    );
    const address = `http://127.0.0.1:${hub.http.port}/causeway/v1/catalog/accept`;
    const answer = await fetch(address, { method: 'POST', headers: { 'x-tyk-authorization': secret } });
    return answer.json();
  }

  /** What a gateway that starts now gets. */
  async function served(hub: RunningHub) {
    const client = await GorpcClient.open({ port: hub.listen.port });
    clients.push(client);
    await client.call('LoginWithGroup', groupLogin('zone-a', {}, apiKey));
    const outcome = await client.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: organisation });
    client.destroy();
    if (!('value' in outcome)) throw new Error(JSON.stringify(outcome));
    const list = JSON.parse(String(outcome.value)) as {
      api_definition: { api_id: string; proxy: { listen_path: string } };
    }[];
    return {
      ids: list.map(({ api_definition: api }) => api.api_id).sort(),
      paths: list.map(({ api_definition: api }) => api.proxy.listen_path).sort(),
    };
  }

  const untilServed = (hub: RunningHub, ids: readonly string[]) =>
    eventually('the new ones are served', async () => {
      const now = await served(hub);
      // At no moment is a path there twice.
      expect(new Set(now.paths).size).toBe(now.paths.length);
      return JSON.stringify(now.ids) === JSON.stringify([...ids].sort()) ? now : undefined;
    });

  it('are exchanged, and each path is there once: at once, after a restart, after an accept', async () => {
    const hub = await start();
    expect((await served(hub)).paths).toEqual(all);
    await Promise.all(eleven.flatMap((number) => [publish('second', number), withdraw('first', number)]));
    expect((await untilServed(hub, after)).paths).toEqual(all);
    const again = await restart();
    expect(await served(again)).toEqual({ ids: after, paths: all });
    expect(await accept(again)).toEqual({ accepted: 0 });
    expect(await served(again)).toEqual({ ids: after, paths: all });
  });

  it('are exchanged at the next start when the hub was down meanwhile', async () => {
    await start();
    for (const hub of hubs.splice(0)) await hub.stop('test');
    for (const number of eleven) await publish('second', number);
    for (const number of eleven) await withdraw('first', number);
    expect(await served(await start())).toEqual({ ids: after, paths: all });
  });

  it('are held while they are only gone, also over a restart, and let go by what comes in their place', async () => {
    const first = (await served(await start())).ids;
    for (const hub of hubs.splice(0)) await hub.stop('test');
    for (const number of eleven) await withdraw('first', number);
    const hub = await start();
    expect((await served(hub)).ids).toEqual(first);
    for (const number of eleven) await publish('second', number);
    expect((await untilServed(hub, after)).paths).toEqual(all);
  });

  it('give way to what takes their place also when they are broken, and come back when they are well', async () => {
    const hub = await start();
    await Promise.all([
      write('apis/first-1', { api_id: 'first-1', org_id: organisation, proxy: { listen_path: 7 } }),
      publish('second', 1),
    ]);
    const others = Array.from({ length: 14 }, (_, index) => `first-${index + 2}`);
    expect((await untilServed(hub, ['second-1', ...others])).paths).toEqual(all);
    expect(await served(await restart())).toEqual({ ids: ['second-1', ...others].sort(), paths: all });
    const [again] = hubs;
    await write('apis/first-1', {
      ...{ api_id: 'first-1', org_id: organisation },
      proxy: { listen_path: '/elsewhere/', target_url: 'http://127.0.0.1:9' },
    });
    await untilServed(again!, ['first-1', 'second-1', ...others]);
  });

  it('go by an accept when nothing comes in their place', async () => {
    await start();
    for (const hub of hubs.splice(0)) await hub.stop('test');
    for (const number of eleven) await withdraw('first', number);
    const hub = await start();
    expect(await accept(hub)).toEqual({ accepted: 11 });
    expect((await served(hub)).ids).toEqual(['first-12', 'first-13', 'first-14', 'first-15']);
    expect(await readFile(join(catalogPath, 'apis', 'first-12.json'), 'utf8')).toContain('first-12');
  });
});

interface Tagged {
  readonly path: string;
  readonly tags?: readonly string[];
}

function api(id: string, { path, tags = [] }: Tagged): Definition {
  const body = Buffer.from(JSON.stringify({ api_id: id, proxy: { listen_path: path } }));
  return {
    ...definition('api', id, { tags }),
    ...{ body, hash: hashDefinition('plain', body, undefined) },
  };
}

function policy(id: string, name: string): Definition {
  return { ...definition('policy', id), name };
}

const scopes: readonly ViewScope[] = [
  { organisation: acme, segmented: false, tags: [], owner: undefined },
  { organisation: acme, segmented: true, tags: ['eu'], owner: undefined },
  { organisation: acme, segmented: true, tags: ['us'], owner: undefined },
];

describe('what a view holds', () => {
  /** Pairs of definitions of a view that stand in one place. */
  function doubles(definitions: readonly Definition[], scope: ViewScope): readonly string[] {
    const seen = definitions.filter((one) => sees(scope, one));
    const pairs: string[] = [];
    for (const [index, one] of seen.entries()) {
      const places = placesOf(one).sole;
      for (const two of seen.slice(index + 1)) {
        if (placesOf(two).sole.some((place) => places.includes(place))) {
          pairs.push([one.id, two.id].sort().join(' '));
        }
      }
    }
    return pairs;
  }

  const states = fc.record({
    apis: fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
      fc.record({
        path: fc.constantFrom('/1/', '/1', '/2/', '/3/', '/4/{id}', '/4/{name}'),
        tags: fc.constantFrom([], ['eu'], ['us'], ['eu', 'us']),
      }),
      { maxKeys: 7 },
    ),
    policies: fc.dictionary(fc.constantFrom('p', 'q', 'r', 's'), fc.constantFrom('gold', 'silver', ''), {
      maxKeys: 4,
    }),
  });
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: states },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
      { weight: 1, arbitrary: fc.constant('accept' as const) },
      { weight: 1, arbitrary: fc.constant('wait' as const) },
    ),
    { minLength: 2, maxLength: 12 },
  );

  it('has no doubles that the control plane has not, whatever it was before; accepted, it is the control plane', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (run) => {
        const hub = await new DistributorFixture().start();
        let state: readonly Definition[] = [];
        // Of what is held, only what stood together before may stand together still.
        const were = new Set<string>();
        const inForce = () => [...(hub.distributor.snapshotOf(acme)?.definitions.values() ?? [])];
        const heldIds = () => new Set(hub.heldIds);
        const check = () => {
          for (const scope of scopes) {
            for (const pair of doubles(state, scope)) were.add(pair);
            const held = heldIds();
            const now = new Set(doubles(state, scope));
            for (const pair of doubles(inForce(), scope)) {
              const isOfHeld = pair.split(' ').every((id) => held.has(id));
              expect(isOfHeld ? were.has(pair) : now.has(pair), pair).toBe(true);
            }
          }
        };
        for (const step of run) {
          if (step === 'restart') await hub.restart();
          else if (step === 'wait') await hub.clock.advanceAsync(11_000);
          else if (step === 'accept') await hub.distributor.accept();
          else {
            const next = [
              ...Object.entries(step.apis).map(([id, tagged]) => api(id, tagged)),
              ...Object.entries(step.policies).map(([id, name]) => policy(id, name)),
            ];
            hub.catalog.replace(...next);
            await settle();
            state = next;
          }
          check();
        }
        await hub.distributor.accept();
        const short = (list: readonly Definition[]) => list.map(({ id, hash }) => `${id} ${hash}`).sort();
        expect(short(inForce())).toEqual(short(state));
      }),
      { numRuns: Number(process.env['FAULT_RUNS'] ?? 200) },
    );
  });
});

describe('what is no accident', () => {
  let hub: DistributorFixture;
  beforeEach(() => {
    hub = new DistributorFixture();
  });
  const apis = (edition: string, count: number, tags?: readonly string[]) =>
    Array.from({ length: count }, (_, index) =>
      api(`${edition}${index}`, { path: `/${index}/`, ...(tags && { tags }) }),
    );

  it('is the replacement of an only API', async () => {
    await hub.start(...apis('old', 1));
    hub.catalog.replace(...apis('new', 1));
    await settle();
    expect(hub.inForce()).toEqual(['new0']);
    expect(hub.heldIds).toEqual([]);
  });

  it('is told in one delivery: what is removed follows what replaces it', async () => {
    await hub.start(...apis('old', 3));
    hub.catalog.replace(...apis('new', 3));
    await settle();
    expect((await hub.loggedShort()).slice(3)).toEqual([
      '+new0',
      '-old0',
      '+new1',
      '-old1',
      '+new2',
      '-old2',
    ]);
  });

  it('is a replacement for another zone: every zone sees what the control plane says', async () => {
    await hub.start(...apis('old', 4, ['eu']));
    hub.catalog.replace(...apis('new', 4, ['us']));
    await settle();
    expect(hub.inForce()).toEqual(['new0', 'new1', 'new2', 'new3']);
    expect(hub.heldIds).toEqual([]);
  });

  it('is a policy that comes back under another id with its name, created and removed in turn', async () => {
    const policies = (edition: string, count: number) =>
      Array.from({ length: count }, (_, index) => policy(`${edition}${index}`, `plan ${index}`));
    const [old, fresh] = [policies('old', 15), policies('new', 15)];
    await hub.start(...old);
    for (const [index, one] of old.entries()) {
      await hub.put(fresh[index]!);
      await hub.remove(one);
    }
    expect(hub.inForce()).toEqual(fresh.map(({ id }) => id).sort());
    expect(hub.heldIds).toEqual([]);
  });

  it('is switching off, be it all: the rows are there, and somebody wrote them', async () => {
    const four = apis('a', 4);
    await hub.start(...four);
    hub.catalog.switchedOff.push(
      ...four.map(({ organisation: owner, kind, id, source }) => ({ organisation: owner, kind, id, source })),
    );
    await hub.remove(...four);
    expect(hub.inForce()).toEqual([]);
    expect(hub.heldIds).toEqual([]);
    hub.catalog.switchedOff.length = 0;
    await hub.put(...four);
    expect(hub.inForce()).toHaveLength(4);
    // The same rows gone without a trace.
    await hub.remove(...four);
    expect(hub.heldIds).toHaveLength(4);
    hub.catalog.switchedOff.push({ organisation: acme, kind: 'api', id: 'a0', source: 'row' });
    await hub.distributor.reload();
    expect(hub.heldIds).toEqual(['a1', 'a2', 'a3']);
  });

  it('is not the loss of most policies of one name', async () => {
    const plans = Array.from({ length: 20 }, (_, index) => policy(`p${index}`, 'Basic'));
    await hub.start(...plans);
    await hub.clock.advanceAsync(60_000);
    await hub.remove(...plans.slice(5));
    expect(hub.heldIds).toHaveLength(15);
  });

  it('counts only what has no successor', async () => {
    await hub.start(...apis('old', 15));
    hub.catalog.replace(...apis('new', 6));
    await settle();
    // Six replaced; of nine nothing is left, and that is more than half of fifteen.
    expect(hub.heldIds).toHaveLength(9);
    expect(hub.inForce()).toHaveLength(15);
    expect(await hub.distributor.accept()).toBe(9);
    expect(hub.inForce()).toEqual(apis('new', 6).map(({ id }) => id));
  });

  it('is not what was held in pieces, also after a restart when the rest is a small part', async () => {
    const ten = apis('a', 10);
    await hub.start(...ten);
    for (const one of ten.slice(0, 6)) await hub.remove(one);
    expect(hub.heldIds).toEqual(['a5']);
    const [before] = hub.distributor.held();
    await hub.clock.advanceAsync(3_600_000);
    await hub.restart();
    expect(hub.distributor.held()).toEqual([before]);
    expect(hub.inForce()).toHaveLength(5);
    expect(await hub.distributor.accept()).toBe(1);
    await hub.restart();
    expect(hub.inForce()).toHaveLength(4);
    expect(hub.heldIds).toEqual([]);
  });
});

describe('the place of a definition', () => {
  const placeOf = (content: object, oas?: object) =>
    placesOf({
      ...definition('api', 'x'),
      visibility: everyone,
      body: Buffer.from(JSON.stringify(content)),
      oas: oas === undefined ? undefined : Buffer.from(JSON.stringify(oas)),
    }).sole;
  const classic = (path: string, more: object = {}) => placeOf({ proxy: { listen_path: path }, ...more });

  it.each([
    ['a slash at the end', classic('/a'), classic('/a/'), true],
    ['the root', classic('/'), classic(''), false],
    ['case of a path', classic('/a'), classic('/A'), false],
    ['names of parameters', classic('/a/{id}/b'), classic('/a/{name}/b/'), true],
    ['patterns of parameters', classic('/a/{id:[0-9]+}'), classic('/a/{id:[a-z]+}'), false],
    ['a parameter and a text', classic('/a/{id}'), classic('/a/id'), false],
    ['case of a domain', classic('/a', { domain: 'A.org' }), classic('/a', { domain: 'a.org' }), true],
    ['another domain', classic('/a', { domain: 'b.org' }), classic('/a', { domain: 'a.org' }), false],
    ['a domain that is off', classic('/a', { domain: 'b.org', domain_disabled: true }), classic('/a'), true],
    ['a port', classic('/a', { listen_port: 81 }), classic('/a'), true],
    ['an internal one', classic('/a', { internal: true }), classic('/a'), true],
    [
      'services of TCP',
      placeOf({ protocol: 'tcp', listen_port: 81, proxy: {} }),
      placeOf({ protocol: 'tcp', listen_port: 82, proxy: {} }),
      false,
    ],
    [
      'an OpenAPI document alone',
      placeOf(
        { is_oas: true, proxy: {} },
        {
          'x-tyk-api-gateway': {
            server: { listenPath: { value: '/a/' }, customDomain: { enabled: true, name: 'a.org' } },
          },
        },
      ),
      classic('/a', { domain: 'a.org' }),
      true,
    ],
  ])('%s', (_name, one, two, same) => {
    expect(JSON.stringify(one) === JSON.stringify(two)).toBe(same);
  });

  it('of what cannot be read is none', () => {
    expect(placesOf({ ...definition('api', 'x'), body: Buffer.from('{') })).toEqual({
      sole: [],
      label: undefined,
    });
  });
});
