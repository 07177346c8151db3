import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testCertificate } from '../fixtures/tls/paths.js';
import {
  acme,
  apiDefinition,
  apiKey,
  GorpcTestHub,
  HubDisk,
  policy,
  provider,
} from '../integration/gorpc-hub.js';
import { failures, GorpcProgram, hasGo, type Step } from './gorpc-program.js';

const existingKey = 'apikey-0123456789abcdef';
const session = JSON.stringify({ org_id: acme, alias: 'conformance' });
/** What unmodified gateways are made to wait for. */
const asInService = { loginWaitMs: 2_000, pollHoldMs: 20_000, refusalDelayMs: 1_000 };

if (!hasGo) {
  console.warn(
    '\n  SKIPPED: conformance with the real gorpc client. It needs Go (https://go.dev) on the PATH.\n',
  );
}

describe.skipIf(!hasGo)('the real gorpc client', () => {
  let program: GorpcProgram;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(() => {
    program = new GorpcProgram();
  }, 300_000);
  afterAll(() => program.dispose());
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function start(options: Parameters<typeof GorpcTestHub.start>[0] = {}): Promise<GorpcTestHub> {
    const hub = await GorpcTestHub.start({ gorpc: asInService, ...options });
    stops.push(() => hub.stop());
    return hub;
  }

  async function filledDisk(): Promise<HubDisk> {
    const disk = new HubDisk();
    disk.catalog.put(
      apiDefinition('plain'),
      apiDefinition('with-oas', { is_oas: true }, [], { openapi: '3.0.3', 'x-tyk-api-gateway': {} }),
      policy('p1'),
      provider('idp'),
    );
    await disk.keyStore.put(existingKey, Buffer.from(session), undefined);
    return disk;
  }

  const flagsOf = (hub: GorpcTestHub) => ({
    addr: `127.0.0.1:${hub.port}`,
    org: acme,
    key: apiKey,
    group: 'zone-a',
    'existing-key': existingKey,
    'expect-value': session,
    'min-definitions': 2,
    'min-policies': 1,
  });

  function check(steps: readonly Step[], atLeast: number): void {
    expect(failures(steps)).toEqual([]);
    expect(steps.length).toBeGreaterThanOrEqual(atLeast);
  }

  test('calls every method, and waits out the long polls', async () => {
    const hub = await start({ disk: await filledDisk() });
    check(await program.run(flagsOf(hub), ['every-method']), 45);
  }, 90_000);

  test('of every age', async () => {
    const hub = await start({ disk: await filledDisk() });
    check(await program.run(flagsOf(hub), ['old-definitions', 'old-gateway', 'old-pump']), 18);
  }, 60_000);

  test('pools, is held before its login, sends large keys and sends without an answer', async () => {
    const hub = await start({ disk: await filledDisk() });
    check(await program.run(flagsOf(hub), ['pool', 'prelogin', 'big', 'id0']), 18);
  }, 60_000);

  test('does all of it without compression', async () => {
    const hub = await start({ disk: await filledDisk() });
    const flags = { ...flagsOf(hub), compress: false, 'skip-hold': true };
    check(await program.run(flags, ['every-method', 'pool', 'big', 'id0']), 55);
  }, 60_000);

  test('does all of it over TLS', async () => {
    const { certificateFile, keyFile } = testCertificate('first');
    const hub = await start({
      disk: await filledDisk(),
      configuration: {
        'server_options.use_ssl': true,
        'server_options.certificate.cert_file': certificateFile,
        'server_options.certificate.key_file': keyFile,
      },
    });
    const flags = { ...flagsOf(hub), tls: true, 'skip-hold': true };
    check(await program.run(flags, ['every-method', 'pool', 'big', 'id0']), 55);
  }, 60_000);

  test('recovers from a restart of the hub, which answers its long poll first', async () => {
    const disk = await filledDisk();
    const hub = await start({ disk });
    const { port } = hub;
    const restarts: Promise<unknown>[] = [];
    const steps = await program.run({ ...flagsOf(hub), graceful: true }, ['restart'], ({ step }) => {
      if (step === 'ready-for-restart') restarts.push(hub.stop().then(() => start({ disk, port })));
    });
    await Promise.all(restarts);
    expect(restarts).toHaveLength(1);
    check(steps, 7);
  }, 90_000);

  test('hears of every event', async () => {
    const hub = await start({ disk: await filledDisk() });
    const names = Array.from({ length: 50 }, (_, index) => `key-${index}`);
    const steps = await program.run(
      {
        ...flagsOf(hub),
        expect: [...names.map((name) => `${name}:hashed`), 'c1:CertificateAdded'].join(','),
      },
      ['events'],
      ({ step }) => {
        if (step !== 'ready-for-events') return;
        void hub.emit(...names.map((key) => ({ kind: 'key-changed', key, hashed: true }) as const), {
          kind: 'certificate-added',
          certificate: 'c1',
        });
      },
    );
    check(steps, 53);
    expect(steps.filter(({ step }) => step === 'event')).toHaveLength(51);
  }, 60_000);

  test('is given again what a dead connection carried', async () => {
    const hub = await start({ disk: await filledDisk() });
    const steps = await program.run(flagsOf(hub), ['drop-connection'], ({ step }) => {
      if (step === 'ready-for-events') void hub.emit({ kind: 'key-removed', key: 'abc', hashed: true });
    });
    check(steps, 6);
  }, 60_000);
});
