import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../errors/catalogue.js';
import { type CliContext, writeJson } from './cli-context.js';
import { addHubApiOptions, HubApi, type HubApiOptions } from './hub-api.js';
import { renderTable } from './text-table.js';

const problems = z.object({
  quarantined: z.array(z.object({ source: z.string(), reason: z.string() })),
  held: z.array(
    z.object({
      organisation: z.string(),
      kind: z.string(),
      id: z.string(),
      name: z.string(),
      since: z.string(),
    }),
  ),
});

export function describeCatalogStatus(command: Command): Command {
  return addHubApiOptions(command)
    .description('show quarantined items and removals that are held until they are accepted')
    .option('--json', 'print {"quarantined","held"}');
}

export async function catalogStatus(
  context: CliContext,
  options: HubApiOptions & { readonly json?: boolean },
): Promise<number> {
  const api = await HubApi.from(context, options);
  const answer: unknown = JSON.parse((await api.call('GET', '/catalog')).toString('utf8'));
  const { stdout } = context;
  if (options.json === true) {
    await writeJson(stdout, answer);
    return exitCodes.ok;
  }
  const { quarantined, held } = problems.parse(answer);
  if (quarantined.length + held.length === 0) await stdout.write('nothing is quarantined, nothing is held\n');
  if (quarantined.length > 0) {
    const rows = quarantined.map(({ source, reason }) => [source, reason]);
    await stdout.write(renderTable([{ title: 'QUARANTINED' }, { title: 'REASON' }], rows, stdout.columns));
  }
  if (held.length > 0) {
    const columns = ['HELD REMOVAL', 'KIND', 'NAME', 'ORGANISATION', 'SINCE'].map((title) => ({ title }));
    const rows = held.map(({ id, kind, name, organisation, since }) => [id, kind, name, organisation, since]);
    await stdout.write(renderTable(columns, rows, stdout.columns));
    await stdout.write('`causeway catalog accept` lets them through\n');
  }
  return exitCodes.ok;
}

export function describeCatalogAccept(command: Command): Command {
  return addHubApiOptions(command)
    .description('let held removals through to the workers')
    .option('--organisation <id>', 'only those of one organisation')
    .option('--json', 'print {"accepted"}');
}

export async function catalogAccept(
  context: CliContext,
  options: HubApiOptions & { readonly organisation?: string; readonly json?: boolean },
): Promise<number> {
  const api = await HubApi.from(context, options);
  const { organisation } = options;
  const answer = await api.call('POST', '/catalog/accept', { organisation });
  const { accepted } = z.object({ accepted: z.number() }).parse(JSON.parse(answer.toString('utf8')));
  if (options.json === true) await writeJson(context.stdout, { accepted });
  else await context.stdout.write(`removals let through: ${accepted}\n`);
  return exitCodes.ok;
}
