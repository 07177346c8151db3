import type { Command } from 'commander';

export interface DemoOptions {
  readonly json?: boolean;
  readonly keep?: boolean;
}

export function describeDemo(command: Command): Command {
  return command
    .description(
      'show the whole story in one terminal: a hub, two zones, two organisations, under half a minute',
    )
    .option('--keep', 'leave the folder with all data behind and say where it is')
    .option('--json', 'print {"ok","took_ms","steps","changes","analytics"}')
    .addHelpText(
      'after',
      `
Uses free ports and a temporary folder, and needs nothing else. Every step is checked: exit code 0 means
that all of it really happened.`,
    );
}
