import type { Command } from 'commander';
import { version } from '../app/version.js';
import { exitCodes } from '../errors/catalogue.js';
import { type CliContext, writeJson } from './cli-context.js';

export function describeVersion(command: Command): Command {
  return command.description('print the version').option('--json', 'print {"version","node","platform"}');
}

export async function printVersion(
  context: CliContext,
  options: { readonly json?: boolean },
): Promise<number> {
  if (options.json === true) {
    const platform = `${process.platform}-${process.arch}`;
    await writeJson(context.stdout, { version, node: process.versions.node, platform });
  } else await context.stdout.write(`${version}\n`);
  return exitCodes.ok;
}
