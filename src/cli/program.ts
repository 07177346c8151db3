import { Command } from 'commander';
import { exitCodes } from '../errors/catalogue.js';
import { describeCatalogAccept, describeCatalogStatus } from './catalog.js';
import { describeCheckConfig } from './check-config.js';
import type { CliContext } from './cli-context.js';
import { describeDemo } from './demo/demo-options.js';
import { describeKeysDelete, describeKeysGet, describeKeysList, describeKeysPut } from './keys.js';
import { describePrintConfig } from './print-config.js';
import { reportFailure } from './report-failure.js';
import { describeStart } from './start.js';
import { describeStatus } from './status.js';
import { describeVersion } from './version.js';
import { describeWorker } from './worker-options.js';

/** Runs one command and says how it ended. */
type Run = (
  context: CliContext,
  // biome-ignore lint/suspicious/noExplicitAny: each command knows the options it described.
  options: any,
  commandArguments: readonly string[],
) => Promise<number>;

interface CommandEntry {
  /** Words behind `causeway`. */
  readonly name: string;
  readonly describe: (command: Command) => Command;
  /** Loaded when it runs, so that no command pays for another. */
  readonly load: () => Promise<Run>;
}

/** Groups first. */
const groups = [
  { name: 'keys', description: 'create, read and revoke keys of a running hub' },
  { name: 'catalog', description: "look after a running hub's catalog" },
] as const;

const commands: readonly CommandEntry[] = [
  { name: 'start', describe: describeStart, load: async () => (await import('./start.js')).start },
  { name: 'worker', describe: describeWorker, load: async () => (await import('./worker.js')).runWorker },
  { name: 'demo', describe: describeDemo, load: async () => (await import('./demo/demo.js')).runDemo },
  { name: 'status', describe: describeStatus, load: async () => (await import('./status.js')).showStatus },
  { name: 'keys put', describe: describeKeysPut, load: async () => (await import('./keys.js')).putKey },
  { name: 'keys get', describe: describeKeysGet, load: async () => (await import('./keys.js')).getKey },
  {
    name: 'keys delete',
    describe: describeKeysDelete,
    load: async () => (await import('./keys.js')).deleteKey,
  },
  { name: 'keys list', describe: describeKeysList, load: async () => (await import('./keys.js')).listKeys },
  {
    name: 'catalog status',
    describe: describeCatalogStatus,
    load: async () => (await import('./catalog.js')).catalogStatus,
  },
  {
    name: 'catalog accept',
    describe: describeCatalogAccept,
    load: async () => (await import('./catalog.js')).catalogAccept,
  },
  {
    name: 'check-config',
    describe: describeCheckConfig,
    load: async () => (await import('./check-config.js')).checkConfig,
  },
  {
    name: 'print-config',
    describe: describePrintConfig,
    load: async () => (await import('./print-config.js')).printConfig,
  },
  {
    name: 'version',
    describe: describeVersion,
    load: async () => (await import('./version.js')).printVersion,
  },
];

const exitCodeHelp = `
Exit codes: ${Object.entries(exitCodes)
  .map(([name, code]) => `${code} ${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`)
  .join(', ')}.
See docs/cli.md, docs/configuration.md and docs/errors.md.`;

/** The whole command line. `onRun` receives the promise of the command that was called. */
export function buildProgram(context: CliContext, onRun: (run: Promise<number>) => void): Command {
  const program = new Command('causeway')
    .description('An open multi-data-center bridge for API gateways.')
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: false })
    .helpCommand('help [command]', 'help on a command')
    .addHelpText('after', exitCodeHelp)
    .exitOverride();
  const parents = new Map<string, Command>([['', program]]);
  for (const { name, description } of groups) {
    const group = program.command(name).description(description).copyInheritedSettings(program);
    parents.set(name, group);
  }
  for (const { name, describe, load } of commands) {
    const words = name.split(' ');
    const own = words.pop() ?? '';
    const command = new Command(own).copyInheritedSettings(program);
    describe(command).action((...parts: unknown[]) => {
      const called = parts.at(-1) as Command;
      onRun(load().then((run) => run(context, called.opts(), called.args)));
    });
    parents.get(words.join(' '))?.addCommand(command);
  }
  return program;
}

/** Resolves to the exit code; never rejects. `argv` without the names of node and script. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    let running: Promise<number> | undefined;
    const program = buildProgram(context, (run) => {
      running = run;
    });
    if (argv.length === 0) {
      program.outputHelp();
      return exitCodes.usage;
    }
    program.parse([...argv], { from: 'user' });
    return (await running) ?? exitCodes.ok;
  } catch (thrown) {
    return reportFailure(thrown, context);
  }
}
