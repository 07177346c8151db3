import { Command } from 'commander';
import { version } from '../app/version.js';
import { exitCodes } from '../errors/catalogue.js';
import { describeCatalogAccept, describeCatalogStatus } from './catalog.js';
import { describeCheckConfig } from './check-config.js';
import type { CliContext } from './cli-context.js';
import { describeDemo } from './demo/demo-options.js';
import { describeKeysDelete, describeKeysGet, describeKeysList, describeKeysPut } from './keys.js';
import { describePrintConfig } from './print-config.js';
import { reportFailure } from './report-failure.js';
import { describeSeed } from './seed.js';
import { describeStart } from './start.js';
import { describeStatus } from './status.js';
import { wrapLines } from './text-table.js';
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

const groups: Readonly<Record<string, string>> = {
  keys: 'create, read and revoke keys of a running hub',
  catalog: "look after a running hub's catalog",
};

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
  { name: 'seed', describe: describeSeed, load: async () => (await import('./seed.js')).seed },
  {
    name: 'version',
    describe: describeVersion,
    load: async () => (await import('./version.js')).printVersion,
  },
];

/** Narrower than this nothing is wrapped by words any more. */
const minWidthToWrap = 16;
/** Where no terminal says how wide it is. */
const helpWidth = 100;

const exitCodeList = Object.entries(exitCodes).map(
  ([name, code]) => `${code} ${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
);
const exitCodeHelp = `
Exit codes: ${exitCodeList.join(', ')}.
See docs/cli.md, docs/configuration.md and docs/errors.md.`;

/** The whole command line. `onRun` receives the promise of the command that was called. */
export function buildProgram(context: CliContext, onRun: (run: Promise<number>) => void): Command {
  const program = new Command('causeway')
    .description('An open multi-data-center bridge for API gateways.')
    .configureOutput({
      writeOut: (text) => void context.stdout.write(wrapLines(text, context.stdout.columns ?? helpWidth)),
      writeErr: (text) => void context.stderr.write(wrapLines(text, context.stderr.columns ?? helpWidth)),
      getOutHelpWidth: () => context.stdout.columns ?? helpWidth,
      getErrHelpWidth: () => context.stderr.columns ?? helpWidth,
    })
    .configureHelp({ showGlobalOptions: false, minWidthToWrap })
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'help on a command')
    .addHelpText('after', exitCodeHelp)
    .exitOverride();
  for (const { name, describe, load } of commands) {
    const words = name.split(' ');
    const command = new Command(words.pop()).copyInheritedSettings(program);
    describe(command).action((...parts: unknown[]) => {
      const called = parts.at(-1) as Command;
      onRun(load().then((run) => run(context, called.opts(), called.args)));
    });
    parentOf(program, words.join(' ')).addCommand(command);
  }
  return program;
}

function parentOf(program: Command, group: string): Command {
  if (group === '') return program;
  const known = program.commands.find((command) => command.name() === group);
  return (
    known ??
    program
      .command(group)
      .description(groups[group] ?? '')
      .copyInheritedSettings(program)
  );
}

/** Resolves to the exit code; never rejects. `argv` without the names of node and script. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    let running: Promise<number> | undefined;
    const program = buildProgram(context, (run) => {
      running = run;
    });
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return exitCodes.usage;
    }
    program.parse([...argv], { from: 'user' });
    return (await running) ?? exitCodes.ok;
  } catch (thrown) {
    return reportFailure(thrown, context);
  }
}

/** What `--help` says of each command, in the order of the main help. For docs/cli.md. */
export function helpPages(): readonly { readonly command: string; readonly help: string }[] {
  const pages: { command: string; help: string }[] = [];
  let help = '';
  const capture = {
    isTerminal: false,
    columns: undefined,
    write: async (text: string) => {
      help += text;
    },
  };
  const context: CliContext = {
    env: {},
    stdout: capture,
    stderr: capture,
    readStdin: async () => Buffer.alloc(0),
    onStopSignal: () => () => {},
    onSignal: () => () => {},
    isTerminalGone: () => false,
    outliveReaders: () => {},
    exit: (code) => {
      throw new Error(`exit ${code}`);
    },
  };
  const visit = (command: Command, name: string): void => {
    help = '';
    command.outputHelp();
    pages.push({ command: name, help });
    for (const inner of command.commands) visit(inner, `${name} ${inner.name()}`);
  };
  visit(
    buildProgram(context, () => {}),
    'causeway',
  );
  return pages;
}
