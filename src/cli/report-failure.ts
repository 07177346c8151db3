import { CommanderError } from 'commander';
import { type ErrorCode, exitCodes } from '../errors/catalogue.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { CliContext } from './cli-context.js';
import { wrapLines } from './text-table.js';

/** What to do about it, where the message alone does not say. */
const remedies: Partial<Record<ErrorCode, string>> = {
  CONFIG_MISSING:
    'use `causeway start -c PATH` with a configuration file, or `causeway start --embedded` to need no other server',
  CONFIG_INVALID: 'docs/configuration.md lists every option',
  PORT_BUSY: 'choose other ports with --listen-port and --http-port (0: any free one)',
  DATA_FOLDER_LOCKED: 'stop the other process, or choose another folder with --data',
  DATA_FOLDER_UNUSABLE: 'choose another folder with --data',
  HUB_UNREACHABLE: 'is it running? Its addresses are in credentials.json of its data folder',
  SESSION_REPLACED: 'give each worker a --node of its own',
};

/** Says in one line what went wrong and returns the exit code for it. Stacks only with CAUSEWAY_DEBUG. */
export async function reportFailure(thrown: unknown, context: CliContext): Promise<number> {
  // Commander has said what is wrong with the arguments, or printed the help that was asked for.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const { env } = context;
  const stderr = {
    write: (text: string) => context.stderr.write(wrapLines(text, context.stderr.columns)),
  };
  if (thrown instanceof CausewayError) {
    await stderr.write(`causeway: ${thrown.message}\n`);
    const remedy = remedies[thrown.code];
    if (remedy !== undefined) await stderr.write(`  ${remedy}\n`);
  } else {
    await stderr.write(`causeway: unexpected: ${describeError(thrown)}\n`);
    if (!env['CAUSEWAY_DEBUG']) await stderr.write('  set CAUSEWAY_DEBUG=1 for the whole story\n');
  }
  if (env['CAUSEWAY_DEBUG'] && thrown instanceof Error) await stderr.write(`${stackOf(thrown)}\n`);
  return thrown instanceof CausewayError ? thrown.entry.exitCode : exitCodes.unexpected;
}

function stackOf(error: Error): string {
  const detail = error instanceof CausewayError && error.detail !== undefined ? `\n${error.detail}` : '';
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${detail}${cause}`;
}
