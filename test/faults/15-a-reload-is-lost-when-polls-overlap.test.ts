import { afterEach, expect, it } from 'vitest';
import type { GorpcClient } from '../integration/gorpc-client.js';
import { acme, apiDefinition, GorpcTestHub, success } from '../integration/gorpc-hub.js';

/** What a gateway is run with; the poll may be held for longer than that. */
const callTimeoutMs = 3_000;
const pollHoldMs = 20_000;

let hub: GorpcTestHub;
let polling = true;
afterEach(async () => {
  polling = false;
  await hub?.stop();
});

/** Asks as a gateway does: it gives up on a call after its timeout, and looks at no answer that comes later. */
async function reloads(
  client: GorpcClient,
  heard: (atMs: number) => void,
  gaveUp: () => void,
): Promise<void> {
  while (polling) {
    const late = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), callTimeoutMs).unref();
    });
    const outcome = await Promise.race([client.call('CheckReload', acme).catch(() => undefined), late]);
    if (outcome === undefined) gaveUp();
    else if (success(outcome) === true) {
      heard(performance.now());
      await client.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: acme, Tags: [] });
      await client.call('GetPolicies', acme);
    }
  }
}

it('a gateway with calls of 3 s hears of each edit at once, after it gave up on one poll', async () => {
  hub = await GorpcTestHub.start({ gorpc: { pollHoldMs } });
  const client = await hub.loggedIn();
  await client.call('GetApiDefinitions', { struct: 'DefRequest', OrgId: acme, Tags: [] });
  await client.call('GetPolicies', acme);
  const heardAtMs: number[] = [];
  let timeouts = 0;
  reloads(
    client,
    (atMs) => heardAtMs.push(atMs),
    () => {
      timeouts += 1;
    },
  ).catch(() => {});
  const until = async (what: string, reached: () => boolean) => {
    for (
      const endMs = performance.now() + 20_000;
      !reached();
      await new Promise((go) => setTimeout(go, 20))
    ) {
      if (performance.now() > endMs) throw new Error(`not reached: ${what}`);
    }
  };
  await until('a poll that is given up', () => timeouts === 1);
  for (const edit of [1, 2, 3]) {
    hub.disk.catalog.put(apiDefinition('orders', { name: `edit ${edit}` }));
    const editedAtMs = performance.now();
    await hub.settleCatalog();
    await until(`edit ${edit}`, () => heardAtMs.length === edit);
    // One that met a caller who had just given up is repeated after 5 s; it was half a minute or never.
    expect((heardAtMs.at(-1) ?? 0) - editedAtMs).toBeLessThan(8_000);
  }
  expect(timeouts).toBeLessThanOrEqual(2);
}, 60_000);
