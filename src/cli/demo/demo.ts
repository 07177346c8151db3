import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../../errors/catalogue.js';
import { describeError } from '../../errors/causeway-error.js';
import { type CliContext, writeJson } from '../cli-context.js';
import { paintFor } from '../paint.js';
import { wrapText } from '../text-table.js';
import { DemoCatalog } from './demo-catalog.js';
import { check, DemoFailure } from './demo-check.js';
import { DemoHub } from './demo-hub.js';
import type { DemoOptions } from './demo-options.js';
import { type DemoOutcome, DemoStory } from './demo-story.js';
import { columnsDefault, type DemoStep, DemoTable } from './demo-table.js';

/** Beyond it something hangs, and that is a failure, too. */
const demoTimeoutMs = 60_000;

interface DemoReport extends DemoOutcome {
  readonly steps: readonly DemoStep[];
  readonly stored: number;
  readonly tookMs: number;
}

export async function runDemo(context: CliContext, options: DemoOptions): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-demo-'));
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(`took longer than ${demoTimeoutMs / 1000} s`), demoTimeoutMs);
  const ignoreSignals = context.onStopSignal((signal) => abort.abort(`stopped by ${signal}`));
  const hub = new DemoHub(folder, context, (how) => abort.abort(how));
  let failed = true;
  const tell = (line: string) => context.stderr.write(`${wrapText(line, context.stderr.columns)}\n`);
  try {
    const report = await play(context, options, hub, folder, abort.signal);
    if (options.json === true) await writeJson(context.stdout, reportJson(report));
    else await printOutcome(context, report);
    failed = false;
    return exitCodes.ok;
  } catch (thrown) {
    const step = thrown instanceof DemoFailure ? thrown.step : undefined;
    if (options.json === true)
      await writeJson(context.stdout, { ok: false, step, error: describeError(thrown) });
    const paint = paintFor(context.stderr, context.env);
    await tell(`${paint.red('demo failed')}  ${describeError(thrown)}`);
    if (!(thrown instanceof DemoFailure) && context.env['CAUSEWAY_DEBUG']) throw thrown;
    return exitCodes.unexpected;
  } finally {
    ignoreSignals();
    clearTimeout(timer);
    hub.kill();
    if (failed || options.keep === true) {
      await tell(`everything is kept in ${folder} (the log of the hub: hub.log)`);
    } else await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function play(
  context: CliContext,
  options: DemoOptions,
  hub: DemoHub,
  folder: string,
  aborted: AbortSignal,
): Promise<DemoReport> {
  const startMs = performance.now();
  const { credentials, api } = await hub.ready('start of the hub', aborted);
  const catalog = new DemoCatalog(join(hub.dataFolder, 'control-plane'));
  const other = await catalog.otherUser(credentials.organisation);
  check('start of the hub', other !== undefined, 'the example catalog has no second organisation');
  const quiet = options.json === true;
  const steps: DemoStep[] = [];
  const table = new DemoTable(context.stdout, paintFor(context.stdout, context.env), [
    'eu-1',
    'eu-2',
    'us-1',
    'other',
  ]);
  const story = new DemoStory(
    {
      credentials,
      api,
      catalog,
      folder: join(folder, 'workers'),
      aborted,
      onStep: async (step) => {
        steps.push(step);
        if (!quiet) await table.row(step);
      },
    },
    other,
  );
  if (!quiet) {
    const started = Math.round(performance.now() - startMs);
    await context.stdout.write(
      `${wrapText(
        `A hub (process ${hub.pid}) on ${credentials.listen}, ready after ${started} ms, and four workers: ` +
          'zone eu with two, zone us with one, and one of another organisation. Times run from the change ' +
          'at the control plane until the worker has it safe on its disk.',
        context.stdout.columns ?? columnsDefault,
      )}\n\n`,
    );
    await table.head(['zone eu, tag eu', 'zone eu, tag eu', 'zone us, tag us', 'another org']);
  }
  let outcome: DemoOutcome;
  try {
    outcome = await story.tell();
  } finally {
    await story.stop();
  }
  const step = 'stop and count';
  const exitCode = await hub.stop();
  check(step, exitCode === exitCodes.ok, `the hub ended with exit code ${exitCode} after SIGTERM`);
  const stored = await hub.countStoredRecords();
  const expected = outcome.reported - outcome.leftOut;
  check(step, stored === expected, `tyk_analytics has ${stored} records and not ${expected}`);
  return { ...outcome, steps, stored, tookMs: Math.round(performance.now() - startMs) };
}

function reportJson({
  steps,
  delivered,
  missed,
  resumedAfter,
  reported,
  leftOut,
  stored,
  tookMs,
}: DemoReport) {
  return {
    ok: true,
    took_ms: tookMs,
    steps: steps.map(({ name, cells }) => ({
      name,
      workers: Object.fromEntries(
        Object.entries(cells).map(([worker, cell]) => [
          worker,
          { what: cell?.what, ms: cell?.ms === undefined ? null : Math.round(cell.ms) },
        ]),
      ),
    })),
    changes: { delivered, missed, resumed_after: resumedAfter },
    analytics: { reported, left_out: leftOut, stored },
  };
}

async function printOutcome(context: CliContext, report: DemoReport): Promise<void> {
  const { green } = paintFor(context.stdout, context.env);
  const { delivered, missed, resumedAfter, reported, leftOut, stored, tookMs } = report;
  const lines = [
    `${delivered} changes delivered, each once: nothing lost, nothing twice, nothing to whom it does not concern.`,
    `Every worker holds the bytes of the catalog folder, and of its own organisation and tags only.`,
    `Zone us came back with its cursor (${resumedAfter}) and received the ${missed} changes it had missed, no snapshot.`,
    `${reported} analytics records reported, ${leftOut} left out (another organisation), ${stored} in table tyk_analytics.`,
  ];
  await context.stdout.write(
    `\n${lines.map((line) => `${green('ok')}  ${wrapText(line, context.stdout.columns, 4)}\n`).join('')}\nAll of it checked in ${(tookMs / 1000).toFixed(1)} s.\n`,
  );
}
