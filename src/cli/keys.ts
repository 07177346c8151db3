import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { membersOf, rootOf } from '../domain/json-members.js';
import { exitCodes } from '../errors/catalogue.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';

import { type CliContext, writeJson } from './cli-context.js';
import { addHubApiOptions, HubApi, type HubApiOptions } from './hub-api.js';
import { Progress } from './progress.js';
import { renderTable } from './text-table.js';

export interface KeyOptions extends HubApiOptions {
  readonly organisation?: string;
  readonly hashed?: boolean;
  readonly json?: boolean;
}

const pageKeys = 1_000;

const keyPage = z.object({
  keys: z.array(
    z.looseObject({
      name: z.string(),
      organisation: z.string(),
      hashed: z.boolean(),
      ttl_seconds: z.number().nullable(),
    }),
  ),
  cursor: z.string().nullable(),
});
type ListedKey = z.infer<typeof keyPage>['keys'][number];

function addKeyOptions(command: Command): Command {
  return addHubApiOptions(command)
    .option('--organisation <id>', 'whose key; needed when there are several organisations')
    .option('--hashed', 'the name is the hash of the key already');
}

export function describeKeysPut(command: Command): Command {
  return addKeyOptions(command)
    .description('create or change a key; workers hear of it at once')
    .argument('<name>', 'the key')
    .argument('<session>', 'the session as JSON, @file for the content of a file, or - for standard input')
    .option('--ttl <seconds>', 'life of the key; 0: it does not expire', '0')
    .option('--json', 'print {"name","organisation","ttl_seconds"}')
    .addHelpText(
      'after',
      `\n  causeway keys put my-key '{"rate":100,"per":60}'\n  causeway keys put my-key @session.json --ttl 3600`,
    );
}

export async function putKey(
  context: CliContext,
  options: KeyOptions & { readonly ttl: string },
  [name = '', sessionText = '']: readonly string[],
): Promise<number> {
  const session = await readSession(context, sessionText);
  const ttlSeconds = Number(options.ttl);
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 0) {
    throw new CausewayError('REQUEST_INVALID', `--ttl: '${options.ttl}' is not a number of seconds`);
  }
  const hub = await hubFor(context, options);
  const owner = options.organisation ?? organisationOf(session) ?? hub.query.organisation;
  const query = { ...hub.query, organisation: owner, ttl_seconds: options.ttl };
  await hub.api.call('PUT', keyPath(name), query, session);
  if (options.json === true) {
    const organisation = owner ?? null;
    await writeJson(context.stdout, {
      name,
      organisation,
      ttl_seconds: ttlSeconds === 0 ? null : ttlSeconds,
    });
  } else await context.stdout.write(`${name} put\n`);
  return exitCodes.ok;
}

export function describeKeysGet(command: Command): Command {
  return addKeyOptions(command)
    .description('print the session of a key, byte for byte as stored')
    .argument('<name>', 'the key')
    .option('--json', 'print {"name","organisation","hashed","ttl_seconds","session"}');
}

export async function getKey(
  context: CliContext,
  options: KeyOptions,
  [name = '']: readonly string[],
): Promise<number> {
  const hub = await hubFor(context, options);
  const answer = await hub.api.call('GET', keyPath(name), hub.query);
  const shown = options.json === true ? answer : memberOf(answer, 'session');
  await context.stdout.write(`${shown.toString('utf8')}\n`);
  return exitCodes.ok;
}

export function describeKeysDelete(command: Command): Command {
  return addKeyOptions(command)
    .description('revoke a key; workers drop it at once')
    .argument('<name>', 'the key')
    .option('--json', 'print {"name","deleted"}');
}

export async function deleteKey(
  context: CliContext,
  options: KeyOptions,
  [name = '']: readonly string[],
): Promise<number> {
  const hub = await hubFor(context, options);
  await hub.api.call('DELETE', keyPath(name), hub.query);
  if (options.json === true) await writeJson(context.stdout, { name, deleted: true });
  else await context.stdout.write(`${name} deleted\n`);
  return exitCodes.ok;
}

export function describeKeysList(command: Command): Command {
  return addHubApiOptions(command)
    .description('list keys by name (or hash)')
    .option('--organisation <id>', 'whose keys; needed when there are several organisations')
    .option('--prefix <text>', 'only names that begin so')
    .option('--limit <count>', 'at most so many')
    .option('--json', 'print an array of {"name","organisation","hashed","ttl_seconds"}');
}

export async function listKeys(
  context: CliContext,
  options: KeyOptions & { readonly prefix?: string; readonly limit?: string },
): Promise<number> {
  const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit);
  if (!(limit >= 1)) {
    throw new CausewayError('REQUEST_INVALID', `--limit: '${options.limit}' is not a number of keys`);
  }
  const hub = await hubFor(context, options);
  const progress = new Progress(context.stderr);
  const keys: ListedKey[] = [];
  let cursor: string | undefined;
  do {
    const page = keyPage.parse(
      JSON.parse(
        (
          await hub.api.call('GET', '/keys', {
            ...hub.query,
            prefix: options.prefix,
            limit: String(Math.min(pageKeys, limit - keys.length)),
            cursor,
          })
        ).toString('utf8'),
      ),
    );
    keys.push(...page.keys);
    cursor = page.cursor ?? undefined;
    if (cursor !== undefined) progress.show(`${keys.length} keys so far`);
  } while (cursor !== undefined && keys.length < limit);
  progress.done();
  if (options.json === true) await writeJson(context.stdout, keys);
  else if (keys.length === 0) await context.stderr.write('no keys\n');
  else await context.stdout.write(keyTable(keys, context.stdout.columns));
  return exitCodes.ok;
}

function keyTable(keys: readonly ListedKey[], width: number | undefined): string {
  return renderTable(
    [{ title: 'NAME' }, { title: 'ORGANISATION' }, { title: 'TTL', align: 'right' }],
    keys.map(({ name, organisation, ttl_seconds: seconds }) => [
      name,
      organisation,
      seconds === null ? '-' : `${seconds} s`,
    ]),
    width,
  );
}

/** The organisation of the credentials file counts only for the hub that the file is about. */
async function hubFor(context: CliContext, options: KeyOptions) {
  const api = await HubApi.from(context, options);
  const organisation = options.organisation ?? api.organisation;
  return { api, query: { organisation, ...(options.hashed === true ? { hashed: 'true' } : {}) } };
}

function keyPath(name: string): string {
  return `/keys/${encodeURIComponent(name)}`;
}

async function readSession(context: CliContext, text: string): Promise<Buffer> {
  if (text === '-') return context.readStdin();
  if (!text.startsWith('@')) return Buffer.from(text);
  try {
    return await readFile(text.slice(1));
  } catch (thrown) {
    throw new CausewayError('REQUEST_INVALID', `session: ${describeError(thrown)}`);
  }
}

/** What the session says; the hub looks at the rest. */
function organisationOf(session: Buffer): string | undefined {
  try {
    const { org_id: organisation } = JSON.parse(session.toString('utf8')) as { org_id?: unknown };
    return typeof organisation === 'string' && organisation !== '' ? organisation : undefined;
  } catch {
    return undefined;
  }
}

/** Cut out and not parsed: numbers beyond 2^53 would not survive it. */
function memberOf(object: Buffer, name: string): Buffer {
  const member = membersOf(object, rootOf(object)).find((one) => one.name === name);
  if (member !== undefined) return object.subarray(member.value.start, member.value.end);
  throw new CausewayError('INTERNAL', `the hub's answer has no ${name}`);
}
