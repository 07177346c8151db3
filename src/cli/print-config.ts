import type { Command } from 'commander';
import { loadConfiguration } from '../config/load-configuration.js';
import { describeConfiguration, findField, listEnvironment } from '../config/redact.js';
import { exitCodes } from '../errors/catalogue.js';
import { CausewayError } from '../errors/causeway-error.js';
import { type CliContext, commandEnvironmentNames, writeJson } from './cli-context.js';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  configurationDefaults,
  configurationOverrides,
  configurationPath,
} from './configuration-options.js';

export function describePrintConfig(command: Command): Command {
  return addConfigurationOptions(command)
    .description(
      'print the configuration in force as JSON: file, environment, flags and defaults; secrets hidden',
    )
    .option('--field <path>', 'only the value of one option, for example storage.host')
    .option('--as-env', 'as NAME=value lines')
    .option('--json', 'with --field: also the environment name and whether the value is hidden');
}

export async function printConfig(
  context: CliContext,
  options: ConfigurationOptions & {
    readonly field?: string;
    readonly asEnv?: boolean;
    readonly json?: boolean;
  },
): Promise<number> {
  const { values } = await loadConfiguration({
    path: configurationPath(options),
    env: context.env,
    overrides: configurationOverrides(options),
    defaults: configurationDefaults(options),
    knownEnvironmentNames: commandEnvironmentNames,
  });
  const { stdout } = context;
  if (options.field !== undefined) {
    const field = findField(values, options.field);
    if (field === undefined) throw new CausewayError('NOT_FOUND', `there is no option ${options.field}`);
    if (options.json === true) await writeJson(stdout, field);
    else await stdout.write(`${field.value}\n`);
  } else if (options.asEnv === true) {
    for (const line of listEnvironment(values)) await stdout.write(`${line}\n`);
  } else await stdout.write(`${JSON.stringify(describeConfiguration(values), undefined, 2)}\n`);
  return exitCodes.ok;
}
