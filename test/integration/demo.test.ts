import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { exitCodes } from '../../src/errors/catalogue.js';
import { runCli, startCli } from './built-cli.js';
import { until } from './grpc-hub.js';

const kept: string[] = [];
afterEach(async () => {
  for (const folder of kept.splice(0)) await rm(folder, { recursive: true, force: true });
});

test('the demo does all it says, quickly, and leaves nothing behind', async () => {
  const startMs = performance.now();
  const demo = await runCli(['demo']);
  expect(demo.exitCode, demo.err).toBe(exitCodes.ok);
  expect(performance.now() - startMs).toBeLessThan(30_000);
  expect(demo.err).toBe('');
  const lines = demo.out.split('\n');
  for (const step of ['first load', 'API edited', 'API added', 'API removed', 'key changed', 'key revoked']) {
    expect(
      lines.some((line) => line.startsWith(step)),
      step,
    ).toBe(true);
  }
  expect(demo.out).toContain('nothing lost, nothing twice');
  expect(demo.out).toMatch(/all 5 in/);
  expect(demo.out).toContain('1200 in table tyk_analytics');
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(120);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour code begins with one.
  expect(demo.out).not.toMatch(/\u001b/);
}, 40_000);

test('the demo as JSON', async () => {
  const demo = await runCli(['demo', '--json']);
  expect(demo.exitCode, demo.err).toBe(exitCodes.ok);
  const report = JSON.parse(demo.out);
  expect(report).toMatchObject({
    ok: true,
    changes: { delivered: 25, missed: 5 },
    analytics: { reported: 1201, left_out: 1, stored: 1200 },
  });
  const edited = report.steps.find(({ name }: { name: string }) => name.startsWith('API edited'));
  expect(Object.keys(edited.workers).sort()).toEqual(['eu-1', 'eu-2', 'us-1']);
}, 40_000);

test('a hub that dies on the way is a failure that names the step, and everything is kept', async () => {
  const demo = startCli(['demo']);
  await until(() => demo.out().includes('first load'), 'first load', 20_000);
  process.kill(Number(/process (\d+)/.exec(demo.out())?.[1]), 'SIGKILL');
  expect(await demo.ended).toBe(exitCodes.unexpected);
  const folder = /kept in (\S+)/.exec(demo.err())?.[1] ?? '';
  kept.push(folder);
  expect(demo.err()).toMatch(/^demo failed {2}.+: (?:the hub ended by itself \(SIGKILL\)|no hub answers)/);
  expect(folder.startsWith(join(tmpdir(), 'causeway-demo-'))).toBe(true);
  expect(await readdir(folder)).toContain('hub.log');
}, 40_000);
