import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CliContext } from '../../../src/cli/cli-context.js';
import { helpPages, runCli } from '../../../src/cli/program.js';
import { exitCodes } from '../../../src/errors/catalogue.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(argv: readonly string[], env: Record<string, string> = {}, stdin = '') {
  const written = { out: '', err: '' };
  const output = (name: 'out' | 'err') => ({
    isTerminal: false,
    columns: undefined,
    write: async (text: string) => {
      written[name] += text;
    },
  });
  const context: CliContext = {
    env: { CAUSEWAY_DATA_PATH: folder, ...env },
    stdout: output('out'),
    stderr: output('err'),
    readStdin: async () => Buffer.from(stdin),
    onStopSignal: () => () => {},
    onSignal: () => () => {},
    isTerminalGone: () => false,
    outliveReaders: () => {},
    exit: (code) => {
      throw new Error(`exit ${code}`);
    },
  };
  const exitCode = await runCli(argv, context);
  return { exitCode, ...written };
}

test.each([
  [['--help'], exitCodes.ok, 'Usage: causeway'],
  [['keys', 'put', '--help'], exitCodes.ok, 'Usage: causeway keys put'],
  [['version'], exitCodes.ok, ''],
])('%j ends with %i', async (argv, exitCode, text) => {
  const result = await run(argv);
  expect(result.exitCode).toBe(exitCode);
  expect(result.out).toContain(text);
  expect(result.err).toBe('');
});

test.each([
  [[], exitCodes.usage, 'Usage: causeway'],
  [['keys'], exitCodes.usage, 'Usage: causeway keys'],
  [['nonsense'], exitCodes.usage, "unknown command 'nonsense'"],
  [['start', '--nonsense'], exitCodes.usage, "unknown option '--nonsense'"],
  [['keys', 'put', 'name'], exitCodes.usage, "missing required argument 'session'"],
  [['start'], exitCodes.usage, 'causeway start --embedded'],
  [['start', '-c', '/not/there.conf'], exitCodes.configuration, '/not/there.conf: there is no such file'],
  [['start', '--embedded', '--http-port', 'x'], exitCodes.configuration, 'http_port: found string "x"'],
  [['check-config', '--config', '/not/there.conf'], exitCodes.configuration, 'there is no such file'],
  [['print-config', '--field', 'no.such'], exitCodes.notFound, 'no option no.such'],
  [['worker', '--once'], exitCodes.usage, '--hub is missing'],
  [['worker', '--hub', 'nowhere'], exitCodes.usage, "--hub: 'nowhere' is not host:port"],
  [['worker', '--hub', 'h:1', '--organisation', 'o'], exitCodes.usage, '--api-key is missing'],
  [['status'], exitCodes.hubUnreachable, 'credentials.json'],
  [['status', '--url', 'ftp://x', '--secret', 's'], exitCodes.usage, 'not an http:// or https:// address'],
  [['keys', 'list', '--url', 'http://127.0.0.1:1', '--secret', 's'], exitCodes.hubUnreachable, '127.0.0.1:1'],
  [['keys', 'put', 'k', '{}', '--ttl', '1.5'], exitCodes.usage, '--ttl'],
  [['keys', 'put', 'k', '@/not/there'], exitCodes.usage, 'session'],
  [['keys', 'list', '--limit', '0'], exitCodes.usage, '--limit'],
])('%j fails with %i and says why, without a stack', async (argv, exitCode, text) => {
  const result = await run(argv);
  expect(result.exitCode).toBe(exitCode);
  expect(result.err).toContain(text);
  expect(result.err).not.toMatch(/\n\s+at /);
  expect(result.out).toBe('');
});

test('the whole story comes with CAUSEWAY_DEBUG', async () => {
  expect((await run(['start'], { CAUSEWAY_DEBUG: '1' })).err).toMatch(/\n\s+at /);
});

test('check-config says everything at once', async () => {
  const path = join(folder, 'tyk_sink.conf');
  await writeFile(path, JSON.stringify({ listen_port: 'x', http_port: -1, listen_prot: 1 }));
  const result = await run(['check-config', '-c', path, '--json']);
  expect(result.exitCode).toBe(exitCodes.configuration);
  const answer = JSON.parse(result.out);
  expect(answer.ok).toBe(false);
  expect(answer.problems.map(({ path: option }: { path: string }) => option)).toEqual(
    expect.arrayContaining(['listen_port', 'http_port']),
  );
  expect(answer.warnings.map(({ kind }: { kind: string }) => kind)).toEqual(['not-yet', 'unknown-name']);
  expect(answer.warnings[1].text).toContain('listen_prot');
  const people = await run(['check-config', '-c', path]);
  expect(people.out).toContain('problem  listen_port');
});

test('print-config hides secrets and knows flags, environment and file', async () => {
  const path = join(folder, 'tyk_sink.conf');
  await writeFile(
    path,
    JSON.stringify({ security: { secret: 'S3CRET' }, listen_port: 1000, http_port: 1001 }),
  );
  const env = { TYK_MDCB_HTTPPORT: '2000' };
  const result = await run(['print-config', '-c', path, '--listen-port', '3000'], env);
  expect(result.exitCode).toBe(exitCodes.ok);
  expect(result.out).not.toContain('S3CRET');
  expect(JSON.parse(result.out)).toMatchObject({ listen_port: 3000, http_port: 2000 });
  expect((await run(['print-config', '-c', path, '--field', 'listen_port'], env)).out).toBe('1000\n');
  expect((await run(['print-config', '-c', path, '--as-env'], env)).out).toContain(
    'TYK_MDCB_HTTPPORT=2000\n',
  );
  const field = await run(['print-config', '-c', path, '--field', 'security.secret', '--json'], env);
  expect(JSON.parse(field.out)).toMatchObject({ config_field: 'security.secret', obfuscated: true });
});

test('the data folder of --embedded is ./var unless it is told', async () => {
  const result = await run([
    'print-config',
    '--embedded',
    '--data',
    '/some/where',
    '--field',
    'causeway.data_path',
  ]);
  expect(result.out).toBe('/some/where\n');
  expect((await run(['print-config', '--embedded', '--field', 'storage.type'])).out).toBe('embedded\n');
});

test('version as JSON', async () => {
  expect(JSON.parse((await run(['version', '--json'])).out)).toMatchObject({ version: expect.any(String) });
});

test('every command has help, and every command that prints data has --json', () => {
  const pages = helpPages();
  expect(pages.length).toBeGreaterThanOrEqual(15);
  for (const { command, help } of pages) {
    expect(help, command).toContain(`Usage: ${command}`);
    expect(help, command).toContain('--help');
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
    const isGroup = help.includes('Commands:');
    if (!isGroup && command !== 'causeway start') expect(help, command).toContain('--json');
  }
});
