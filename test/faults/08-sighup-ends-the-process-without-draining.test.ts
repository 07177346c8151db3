import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type CliRun, startCli } from '../integration/built-cli.js';

const patience = { timeout: 20_000, interval: 20 };
let folder = '';
let run: CliRun;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-signals-'));
  run = startCli(['start', '--embedded', '--data', folder], {
    TYK_MDCB_LISTENPORT: '0',
    TYK_MDCB_HTTPPORT: '0',
    CAUSEWAY_LOG_FORMAT: 'json',
  });
  await vi.waitFor(() => expect(run.err()).toContain('Causeway'), patience);
});

afterEach(async () => {
  if (run.child.exitCode === null) run.child.kill('SIGKILL');
  await run.ended;
  await rm(folder, { recursive: true, force: true });
});

async function httpAddress(): Promise<string> {
  const credentials = JSON.parse(await readFile(join(folder, 'credentials.json'), 'utf8')) as {
    http: string;
  };
  return credentials.http;
}

async function isAlive(): Promise<boolean> {
  return (await fetch(`http://${await httpAddress()}/health`)).ok;
}

const said = (message: string) =>
  run
    .out()
    .split('\n')
    .filter((line) => line.includes(message)).length;

it('SIGHUP reloads, SIGUSR1 and SIGUSR2 do nothing, SIGTERM drains', async () => {
  for (const [times, signal] of (['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const).entries()) {
    run.child.kill(signal);
    if (signal === 'SIGHUP') {
      await vi.waitFor(
        () => expect(said('reading certificates and catalog anew')).toBe(times === 0 ? 1 : 2),
        patience,
      );
    }
    expect(await isAlive()).toBe(true);
  }
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
  expect([said('draining'), said('"stopped"')]).toEqual([1, 1]);
});

it('goes on when whoever reads its output has died, and still drains', async () => {
  run.child.stdout?.destroy();
  run.child.stderr?.destroy();
  for (let times = 0; times < 5; times++) {
    run.child.kill('SIGHUP');
    expect(await isAlive()).toBe(true);
  }
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
});

it('drains at the first SIGINT, and ends at once at the second', async () => {
  const [host, port] = (await httpAddress()).split(':');
  // Half a request: draining waits for it.
  const half = connect({ host, port: Number(port) });
  half.on('error', () => {});
  half.write('GET /health HTTP/1.1\r\n');
  await isAlive();
  run.child.kill('SIGINT');
  await vi.waitFor(() => expect(said('draining')).toBe(1), patience);
  const startedMs = performance.now();
  const again = setInterval(() => run.child.kill('SIGINT'), 100);
  try {
    expect(await run.ended).toBe(130);
    // Those that come with the first are not taken for a second one.
    expect(performance.now() - startedMs).toBeGreaterThan(800);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  } finally {
    clearInterval(again);
    half.destroy();
  }
});
