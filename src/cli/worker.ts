import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { version } from '../app/version.js';
import { type ErrorCode, exitCodes } from '../errors/catalogue.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import { jsonArrayElements } from '../std/json-array-elements.js';
import { lockFolder } from '../stores/embedded/folder-lock.js';
import { SystemClock } from '../telemetry/system-clock.js';
import { connectBridge } from '../transport/grpc/bridge-client.js';
import { FolderLocalCopy } from '../worker/folder-local-copy.js';
import { WorkerClient } from '../worker/worker-client.js';
import type { WorkerEvent } from '../worker/worker-event.js';
import type { CliContext } from './cli-context.js';
import { paintFor } from './paint.js';
import { Progress } from './progress.js';
import { eventJson, eventLine } from './worker-event-line.js';
import { type WorkerCommandOptions, type WorkerSettings, workerSettings } from './worker-options.js';

/** Records in one batch of `--report`. */
const reportBatchRecords = 5_000;

/** Why the command ends. */
interface Ending {
  readonly exitCode: number;
  readonly failure?: CausewayError;
}

export async function runWorker(context: CliContext, options: WorkerCommandOptions): Promise<number> {
  const settings = await workerSettings(context, options);
  const batches = options.report === undefined ? [] : await readBatches(options.report);
  const nodeId = options.node ?? `${hostname()}-${randomBytes(3).toString('hex')}`;
  const copy = await FolderLocalCopy.open(settings.folder, { organisation: settings.organisation, nodeId });
  const lock = await lockCopy(settings.folder);
  // The clock's timers keep no process alive, and between two attempts there is nothing else.
  const alive = setInterval(() => {}, 60_000);
  let end = (_ending: Ending): void => {};
  const ended = new Promise<Ending>((resolve) => {
    end = resolve;
  });
  const print = printer(context, options);
  const worker = makeWorker(settings, copy, (event) => {
    print(event);
    if (event.type === 'level') leaveWhenDone();
    if (options.once === true) endWithoutHub(event, end);
  });
  const reported = reportAll(worker, batches, new Progress(context.stderr));
  const leaveWhenDone = () => {
    if (options.once === true) reported.then((exitCode) => end({ exitCode }), fail);
  };
  const fail = (thrown: unknown) => end({ exitCode: exitCodes.unexpected, failure: asCausewayError(thrown) });
  reported.catch(fail);
  const ignoreSignals = context.onStopSignal(() => end({ exitCode: exitCodes.ok }));
  try {
    worker.start();
    const { exitCode, failure } = await ended;
    if (failure !== undefined) throw failure;
    return exitCode;
  } finally {
    ignoreSignals();
    await worker.stop();
    clearInterval(alive);
    await lock.release();
  }
}

function makeWorker(
  settings: WorkerSettings,
  copy: FolderLocalCopy,
  onEvent: (event: WorkerEvent) => void,
): WorkerClient {
  return new WorkerClient(
    {
      ...settings,
      nodeId: copy.nodeId,
      version,
      hostname: hostname(),
      pid: process.pid,
      address: '',
    },
    {
      copy,
      connect: (credentials) => connectBridge(settings.address, credentials),
      clock: new SystemClock(),
      random: Math.random,
      onEvent,
    },
  );
}

function printer(context: CliContext, options: WorkerCommandOptions): (event: WorkerEvent) => void {
  const paint = paintFor(context.stdout, context.env);
  const showAll = options.showKeys === true;
  return (event) => {
    const nowMs = Date.now();
    const line =
      options.json === true
        ? JSON.stringify(eventJson(event, nowMs, showAll))
        : eventLine(event, nowMs, paint, showAll);
    if (line !== undefined) void context.stdout.write(`${line}\n`);
  };
}

/** With `--once` nobody waits for the hub to come back. */
function endWithoutHub(event: WorkerEvent, end: (ending: Ending) => void): void {
  if (event.type === 'refused') {
    const failure = new CausewayError(event.code, event.message);
    end({ exitCode: failure.entry.exitCode, failure });
  } else if (event.type === 'disconnected') {
    const code: ErrorCode = event.code ?? 'HUB_UNREACHABLE';
    const failure = new CausewayError(code, event.message);
    end({ exitCode: failure.entry.exitCode, failure });
  }
}

/** Resolves to the exit code: a batch that the hub refused for ever is a failure. */
async function reportAll(
  worker: WorkerClient,
  batches: readonly Buffer[],
  progress: Progress,
): Promise<number> {
  let taken = 0;
  const outcomes = await Promise.all(
    batches.map(async (batch) => {
      const outcome = await worker.report(batch);
      taken += 1;
      if (batches.length > 1) progress.show(`${taken} of ${batches.length} batches reported`);
      return outcome;
    }),
  );
  progress.done();
  return outcomes.every(({ status }) => status === 'accepted') ? exitCodes.ok : exitCodes.unexpected;
}

async function readBatches(path: string): Promise<readonly Buffer[]> {
  let text: Buffer;
  try {
    text = await readFile(path);
  } catch (thrown) {
    throw new CausewayError('REQUEST_INVALID', `--report: ${describeError(thrown)}`);
  }
  const batches: Buffer[] = [];
  let records: Buffer[] = [];
  const close = () => {
    if (records.length > 0) batches.push(Buffer.from(`[${records.map(String).join(',')}]`));
    records = [];
  };
  const elements = jsonArrayElements(text);
  let next = elements.next();
  for (; next.done !== true; next = elements.next()) {
    records.push(next.value);
    if (records.length === reportBatchRecords) close();
  }
  if (!next.value) throw new CausewayError('REQUEST_INVALID', `--report: ${path} is not a JSON array`);
  close();
  return batches;
}

async function lockCopy(folder: string): Promise<{ release(): Promise<void> }> {
  const result = await lockFolder(folder);
  if ('lock' in result) return result.lock;
  const who = result.holder === undefined ? 'another process' : `process ${result.holder.pid}`;
  throw new CausewayError(
    'DATA_FOLDER_LOCKED',
    `${who} runs a worker on ${folder}; give this one a --node or --copy of its own`,
  );
}

function asCausewayError(thrown: unknown): CausewayError {
  return thrown instanceof CausewayError
    ? thrown
    : new CausewayError('INTERNAL', describeError(thrown), { cause: thrown });
}
