import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitForGateways } from '../../src/domain/gateway-types/fit-for-gateways.js';
import type { GatewayRoot } from '../../src/domain/gateway-types/gateway-type.js';
import { GatewayDecoder, hasGo } from '../conformance/gateway-decoder.js';
import { gatewayText } from '../conformance/gateway-texts.js';
import { GorpcClient } from '../integration/gorpc-client.js';
import { groupLogin, success, until } from '../integration/gorpc-hub.js';
import { seededRandom } from '../wire/gorpc/seeded-random.js';
import { type StartedHub, startHub } from './started-hub.js';

const roots = ['api', 'oas', 'policy', 'client-idp', 'session'] as const satisfies readonly GatewayRoot[];
const textsPerRoot = Number(process.env['CAUSEWAY_GATEWAY_TEXTS'] ?? 400);

describe.skipIf(!hasGo)('what a gateway decodes', () => {
  let decoder: GatewayDecoder;
  beforeAll(() => {
    decoder = new GatewayDecoder();
  }, 120_000);
  afterAll(() => decoder?.dispose());

  it.each(roots)('%s: what is served it decodes, and what is quarantined it refuses', (root) => {
    const chance = seededRandom(Number(process.env['CAUSEWAY_SEED'] ?? 18));
    const texts = Array.from({ length: textsPerRoot }, (_, index) =>
      gatewayText(root, chance, [0, 0.001, 0.005, 0.03][index % 4] ?? 0),
    );
    const verdicts = texts.map((text) => fitForGateways(root, text));
    const asWritten = decoder.decode(texts.map((text) => [root, text]));
    const asSent = decoder.decode(texts.map((text, index) => [root, verdicts[index]?.text ?? text]));
    const wrong = texts.flatMap((text, index) => {
      const { problem } = verdicts[index] ?? {};
      const refused = asSent[index];
      if ((problem === undefined) === (refused === undefined)) return [];
      return [{ text: text.toString(), problem, refused }];
    });
    expect(wrong.slice(0, 3)).toEqual([]);
    // Else nothing was tried: some of each kind.
    const respelt = texts.filter(
      (text, index) => asWritten[index] !== undefined && asSent[index] === undefined && text,
    );
    expect(verdicts.filter(({ problem }) => problem !== undefined).length).toBeGreaterThan(textsPerRoot / 40);
    expect(verdicts.filter(({ problem }) => problem === undefined).length).toBeGreaterThan(textsPerRoot / 4);
    if (root !== 'client-idp') expect(respelt.length).toBeGreaterThan(0);
  });
});

describe('a whole hub', () => {
  let started: StartedHub;
  let client: GorpcClient;
  beforeAll(async () => {
    started = await startHub();
    client = await GorpcClient.open({ port: started.hub.listen.port });
    success(await client.call('LoginWithGroup', groupLogin('eu', {}, started.credentials.api_key)));
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await started?.stop();
  });

  const lists = async (): Promise<readonly [apis: string, policies: string]> => {
    const { organisation } = started.credentials;
    const apis = await client.call('GetApiDefinitions', {
      struct: 'DefRequest',
      OrgId: organisation,
      Tags: [],
      LoadOAS: true,
    });
    return [String(success(apis)), String(success(await client.call('GetPolicies', organisation)))];
  };
  /** Edits the text of a file, as an editor does. */
  const edit = async (file: string, change: (text: string) => string) => {
    const path = join(started.hub.catalogPath, file);
    const before = await readFile(path, 'utf8');
    const after = change(before);
    expect(after, `${file} has what is to be edited`).not.toBe(before);
    await writeFile(path, after);
  };
  const apiNamed = (apis: string, id: string) =>
    (JSON.parse(apis) as { api_definition: Record<string, unknown> }[]).find(
      (one) => one.api_definition['api_id'] === id,
    )?.api_definition;

  it('respells whole numbers, keeps the last good version of the rest, and lets every other edit through', async () => {
    const [before] = await lists();
    const good = apiNamed(before, 'aurora-catalogue');
    await edit('apis/aurora-status.json', (text) =>
      text.replace(/^\{/, '{"cache_options": {"enable_cache": true, "cache_timeout": 60.0},'),
    );
    await edit('policies/aurora-readers.json', (text) =>
      text.replace(/"quota_max": *-?\d+/, '"quota_max": 1e+06'),
    );
    await edit('apis/aurora-catalogue.json', (text) =>
      text
        .replace(/^\{/, '{"session_lifetime": 18446744073709551616,')
        .replace(/"name": *"[^"]*"/, '"name": "Broken"'),
    );
    await edit('apis/aurora-search.json', (text) =>
      text.replace(/"name": *"[^"]*"/, '"name": "Edited beside them"'),
    );
    await until(
      async () => {
        const [apis, policies] = await lists();
        return apis.includes('Edited beside them') && apis.includes('60') && policies.includes('1000000');
      },
      'every other edit',
      20_000,
    );
    const [apis, policies] = await lists();
    expect(apis).toContain('"cache_timeout": 60}');
    expect(policies).toContain('"quota_max": 1000000');
    expect(apiNamed(apis, 'aurora-catalogue')).toEqual(good);
    expect(JSON.parse(apis)).toHaveLength((JSON.parse(before) as unknown[]).length);
    const answer = await fetch(`${started.origin}/causeway/v1/catalog`, {
      headers: { 'x-tyk-authorization': started.credentials.http_secret },
    });
    const { quarantined } = (await answer.json()) as { quarantined: { source: string; reason: string }[] };
    expect(quarantined).toEqual([
      {
        source: 'apis/aurora-catalogue.json',
        reason: expect.stringMatching(/^session_lifetime: expected a whole number of 64 bits/),
      },
    ]);
  }, 60_000);

  it.skipIf(!hasGo)(
    'sends lists that Go decodes whole',
    async () => {
      const decoder = new GatewayDecoder();
      const [apis, policies] = await lists();
      expect(
        decoder.decode([
          ['list-of-merged', Buffer.from(apis)],
          ['list-of-policy', Buffer.from(policies)],
          // The decoder itself refuses what a gateway would.
          ['list-of-policy', Buffer.from(policies.replace('1000000', '1e+06'))],
        ]),
      ).toEqual([undefined, undefined, expect.any(String)]);
      decoder.dispose();
    },
    120_000,
  );
});
