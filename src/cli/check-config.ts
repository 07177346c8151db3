import type { Command } from 'commander';
import { readConfigurationFile } from '../config/load-configuration.js';
import { parseConfiguration } from '../config/parse-configuration.js';
import { exitCodes } from '../errors/catalogue.js';
import { type CliContext, commandEnvironmentNames, writeJson } from './cli-context.js';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  configurationOverrides,
  configurationPath,
} from './configuration-options.js';
import { paintFor } from './paint.js';

export function describeCheckConfig(command: Command): Command {
  return addConfigurationOptions(command)
    .description('say what is wrong with a configuration, all of it at once, without starting anything')
    .option('--json', 'print {"ok","problems","warnings"}')
    .addHelpText('after', '\nExit code 0: a hub can start with it (warnings may remain). 3: it cannot.');
}

export async function checkConfig(
  context: CliContext,
  options: ConfigurationOptions & { readonly json?: boolean },
): Promise<number> {
  const path = configurationPath(options);
  const { problems, warnings } = parseConfiguration({
    file: path === undefined ? undefined : await readConfigurationFile(path),
    env: context.env,
    overrides: configurationOverrides(options),
    knownEnvironmentNames: commandEnvironmentNames,
  });
  const ok = problems.length === 0;
  if (options.json === true) await writeJson(context.stdout, { ok, problems, warnings });
  else {
    const paint = paintFor(context.stdout, context.env);
    for (const { text } of problems) await context.stdout.write(`${paint.red('problem')}  ${text}\n`);
    for (const { text } of warnings) await context.stdout.write(`${paint.yellow('warning')}  ${text}\n`);
    const summary = ok ? 'the configuration is good' : `${problems.length} to be put right`;
    await context.stdout.write(`${summary}${warnings.length > 0 ? `, warnings: ${warnings.length}` : ''}\n`);
  }
  return ok ? exitCodes.ok : exitCodes.configuration;
}
