import type { Command } from 'commander';
import { CausewayError } from '../errors/causeway-error.js';
import { type CliContext, commandEnvironmentNames } from './cli-context.js';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  configurationDefaults,
  configurationOverrides,
  configurationPath,
} from './configuration-options.js';
import { paintFor } from './paint.js';
import { followServiceSignals } from './service-signals.js';
import { printStartBanner, startLine } from './start-banner.js';

export function describeStart(command: Command): Command {
  return addConfigurationOptions(command)
    .option(
      '--accept-data-loss',
      'go on, this once, without what the data folder has lost; see DATA_FOLDER_LOST',
    )
    .description('run a hub until SIGTERM or SIGINT; SIGHUP reloads')
    .addHelpText(
      'after',
      `
Needs a configuration file or --embedded. Strongest first: flags, environment (TYK_MDCB_..., CAUSEWAY_...), file.
The log goes to standard output: lines for people on a terminal, JSON elsewhere.
SIGTERM, SIGINT and SIGQUIT drain it, a second SIGINT ends it at once. SIGHUP reads certificates and
catalog anew and ends nothing (the configuration is read at start only), unless its terminal was closed.

  causeway start --embedded    everything under ./var
  causeway start -c /etc/causeway.conf`,
    );
}

interface StartOptions extends ConfigurationOptions {
  readonly acceptDataLoss?: boolean;
}

export async function start(context: CliContext, options: StartOptions): Promise<number> {
  const path = configurationPath(options);
  if (path === undefined && options.embedded !== true) {
    throw new CausewayError('CONFIG_MISSING', 'nothing says how this hub is to be configured');
  }
  // Loaded late: the stores cost every other command half a second.
  const [{ loadConfiguration }, { runHub }, { version }] = await Promise.all([
    import('../config/load-configuration.js'),
    import('../app/run-hub.js'),
    import('../app/version.js'),
  ]);
  const parsed = await loadConfiguration({
    path,
    env: context.env,
    overrides: configurationOverrides(options),
    defaults: configurationDefaults(options),
    knownEnvironmentNames: commandEnvironmentNames,
  });
  // Before there is a hub nothing is lost with the process, but for a reload that comes too early.
  const ignoreEarly = [context.onSignal('SIGHUP', () => {}), context.onSignal('SIGUSR2', () => {})];
  const hub = await runHub({
    parsed,
    embedded: options.embedded === true,
    acceptDataLoss: options.acceptDataLoss === true,
  });
  context.outliveReaders();
  const ignoreSignals = followServiceSignals(context, hub);
  for (const ignore of ignoreEarly) ignore();
  if (context.isTerminalGone()) void hub.stop('SIGHUP');
  const facts = { ...hub, version, dataOption: options.data };
  if (context.stdout.isTerminal) {
    await printStartBanner(context.stdout, paintFor(context.stdout, context.env), facts);
  } else if (hub.firstStart) {
    await printStartBanner(context.stderr, paintFor(context.stderr, context.env), facts);
  } else {
    await context.stderr.write(`${startLine(hub)}\n`);
  }
  const exitCode = await hub.finished;
  ignoreSignals();
  return exitCode;
}
