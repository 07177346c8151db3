import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configurationFileBytesMax, loadConfiguration } from '../../../src/config/load-configuration.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-config-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function load(content: string | Buffer): Promise<Awaited<ReturnType<typeof loadConfiguration>>> {
  const path = join(folder, 'tyk_sink.conf');
  writeFileSync(path, content);
  return await loadConfiguration({ path, env: {} });
}

async function failure(promise: Promise<unknown>): Promise<CausewayError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof CausewayError)) throw new Error(`expected a CausewayError, got ${String(thrown)}`);
  return thrown;
}

test('reads the file', async () => {
  const { configuration } = await load('{"listen_port": 1001}');
  expect(configuration.listenPort).toBe(1001);
});

test('without a file, environment and defaults are all there is', async () => {
  const { configuration } = await loadConfiguration({ env: { TYK_MDCB_LISTENPORT: '1002' } });
  expect(configuration.listenPort).toBe(1002);
});

test('rejects with every problem in one message', async () => {
  const error = await failure(load('{"listen_port": "1", "hash_keys": 1}'));
  expect(error.code).toBe('CONFIG_INVALID');
  expect(error.message.split('\n')).toHaveLength(3);
  expect(error.message).toMatch(/^the configuration has 2 problems:\n {2}listen_port: .*\n {2}hash_keys: /);
});

test.each([
  ['{', /not JSON: .* at line 1, column 2$/],
  [Buffer.from([0x7b, 0xff, 0x7d]), /it is not UTF-8 text$/],
  [Buffer.alloc(configurationFileBytesMax + 1, ' '), /it is larger than 1048576 bytes$/],
])('rejects what is no JSON text', async (content, message) => {
  const error = await failure(load(content));
  expect(error.code).toBe('CONFIG_UNREADABLE');
  expect(error.message).toMatch(message);
});

test('rejects a file that is not there, and a folder', async () => {
  const missing = await failure(loadConfiguration({ path: join(folder, 'missing.conf'), env: {} }));
  expect(missing.message).toMatch(/missing\.conf: there is no such file$/);
  const directory = await failure(loadConfiguration({ path: folder, env: {} }));
  expect([missing.code, directory.code]).toEqual(['CONFIG_UNREADABLE', 'CONFIG_UNREADABLE']);
});
