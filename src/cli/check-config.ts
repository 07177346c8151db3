import type { Command } from 'commander';
import type { Configuration } from '../config/configuration.js';
import type { Problem, Warning } from '../config/finding.js';
import { readConfigurationFile } from '../config/load-configuration.js';
import { parseConfiguration } from '../config/parse-configuration.js';
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
import { paintFor } from './paint.js';

export function describeCheckConfig(command: Command): Command {
  return addConfigurationOptions(command)
    .description('say what is wrong with a configuration, all of it at once, without starting anything')
    .option('--connect', 'also connect to every store, as a hub would, and say what is wrong there')
    .option('--json', 'print {"ok","problems","warnings"}')
    .addHelpText(
      'after',
      '\nExit code 0: a hub can start with it (warnings may remain). 3: it cannot. 6: a certificate cannot. 7: a store.',
    );
}

export async function checkConfig(
  context: CliContext,
  options: ConfigurationOptions & { readonly json?: boolean; readonly connect?: boolean },
): Promise<number> {
  const path = configurationPath(options);
  const parsed = parseConfiguration({
    file: path === undefined ? undefined : await readConfigurationFile(path),
    env: context.env,
    overrides: configurationOverrides(options),
    defaults: configurationDefaults(options),
    knownEnvironmentNames: commandEnvironmentNames,
  });
  // As `start` has it.
  if (path === undefined && options.embedded !== true) {
    throw new CausewayError('CONFIG_MISSING', 'nothing says how this hub is to be configured');
  }
  const sound = parsed.problems.length === 0;
  const unopened = sound ? await openingProblems(parsed.configuration) : [];
  const found =
    options.connect === true && sound
      ? await storeFindings(parsed.configuration)
      : { problems: [], warnings: [] };
  const opening = unopened.map((error) => findingOf(error.message));
  // What cannot be opened cannot be connected to, for the same reason.
  const known = new Set(opening.map(({ text }) => text));
  const connecting = found.problems.filter(({ text }) => !known.has(text));
  const warnings = [...parsed.warnings, ...found.warnings];
  const problems = [...parsed.problems, ...opening, ...connecting];
  const ok = problems.length === 0;
  if (options.json === true) await writeJson(context.stdout, { ok, problems, warnings });
  else {
    const paint = paintFor(context.stdout, context.env);
    for (const { text } of problems) await context.stdout.write(`${paint.red('problem')}  ${text}\n`);
    for (const { kind, text } of warnings) {
      const word = kind === 'not-yet' ? 'not yet' : 'warning';
      await context.stdout.write(`${paint.yellow(word)}  ${text}\n`);
    }
    const summary = ok ? 'the configuration is good' : `${problems.length} to be put right`;
    await context.stdout.write(`${summary}${warnings.length > 0 ? `, warnings: ${warnings.length}` : ''}\n`);
  }
  if (parsed.problems.length > 0) return exitCodes.configuration;
  // The first one is what a start would end with.
  return unopened[0]?.entry.exitCode ?? (ok ? exitCodes.ok : exitCodes.store);
}

/** What would end a start, without connecting to anything. */
async function openingProblems(configuration: Configuration): Promise<readonly CausewayError[]> {
  const [{ checkOpening }, { SystemClock }, { createPinoLog }] = await Promise.all([
    import('../app/check-opening.js'),
    import('../telemetry/system-clock.js'),
    import('../telemetry/pino-log.js'),
  ]);
  const log = createPinoLog({ level: 'error', destination: 'stderr' });
  return checkOpening(configuration, new SystemClock(), log);
}

/** A line that names its option, in the form of what reading finds. */
function findingOf(text: string): Problem {
  return { path: /^[a-z_.]+/.exec(text)?.[0] ?? '', text };
}

/** What connecting finds, in the form of what reading finds. */
async function storeFindings(
  configuration: Configuration,
): Promise<{ readonly problems: readonly Problem[]; readonly warnings: readonly Warning[] }> {
  // Loaded late: the drivers cost half a second.
  const [{ checkStores }, { SystemClock }, { createPinoLog }] = await Promise.all([
    import('../app/check-stores.js'),
    import('../telemetry/system-clock.js'),
    import('../telemetry/pino-log.js'),
  ]);
  const log = createPinoLog({ level: 'error', destination: 'stderr' });
  const { problems, warnings } = await checkStores(configuration, new SystemClock(), log);
  return {
    problems: problems.map(findingOf),
    warnings: warnings.map((text) => ({ kind: 'doubted', ...findingOf(text) })),
  };
}
