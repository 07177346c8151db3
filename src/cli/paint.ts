import colours from 'picocolors';
import type { CliContext, TextOutput } from './cli-context.js';

export type Paint = Pick<
  ReturnType<typeof colours.createColors>,
  'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
>;

/** Colours on a terminal, unless NO_COLOR says otherwise; plain text elsewhere. */
export function paintFor(output: TextOutput, env: CliContext['env']): Paint {
  return colours.createColors(output.isTerminal && !env['NO_COLOR']);
}
