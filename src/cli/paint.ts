import type { CliContext, TextOutput } from './cli-context.js';

export type Paint = Record<'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', (text: string) => string>;

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Colours on a terminal, unless NO_COLOR says otherwise; plain text elsewhere. */
export function paintFor(output: TextOutput, env: CliContext['env']): Paint {
  const colours = output.isTerminal && !env['NO_COLOR'];
  const painter = (code: number) => (text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    bold: painter(codes.bold),
    dim: painter(codes.dim),
    red: painter(codes.red),
    green: painter(codes.green),
    yellow: painter(codes.yellow),
    cyan: painter(codes.cyan),
  };
}
