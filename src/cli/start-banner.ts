import type { RunningHub } from '../app/run-hub.js';
import type { TextOutput } from './cli-context.js';
import type { Paint } from './paint.js';
import { wrapText } from './text-table.js';

/** Where the values begin, below their names. */
const nameIndent = 16;

export type BannerFacts = Pick<
  RunningHub,
  'listen' | 'http' | 'organisation' | 'apiKey' | 'credentialsPath' | 'catalogPath' | 'firstStart'
> & {
  readonly version: string;
  /** Undefined: the default folder, so that the commands need no `--data`. */
  readonly dataOption: string | undefined;
};

/**
 * What a newcomer needs next. Secrets are shown at the first start only, and only on a terminal: what goes
 * into a pipe becomes a log.
 */
export async function printStartBanner(output: TextOutput, paint: Paint, facts: BannerFacts): Promise<void> {
  const { listen, http, credentialsPath, catalogPath, firstStart, organisation } = facts;
  const lines: (readonly [string, string])[] = [
    ['workers', `${address(listen)}   gRPC and gorpc on one port${listen.tls ? ', with TLS' : ''}`],
    ['HTTP', `${urlOf(http)}   /health  /readiness  /metrics`],
    ...(isLoopback(listen.host) && isLoopback(http.host)
      ? [['open to', 'this machine only; --address 0.0.0.0 opens it to others'] as const]
      : []),
    ['catalog', `${catalogPath}   edit, add or remove files: workers follow`],
    ['organisation', organisation],
    firstStart && output.isTerminal
      ? ['API key', `${paint.bold(facts.apiKey)}   shown this once`]
      : ['API key', `in ${credentialsPath}`],
    ['kept in', `${credentialsPath}   also the secret of the HTTP port; only you can read it`],
  ];
  const data = facts.dataOption === undefined ? '' : ` --data ${quoted(facts.dataOption)}`;
  const commands: (readonly [string, string])[] = [
    [`npx causeway worker${data}`, 'a worker: prints what arrives'],
    [`npx causeway keys put newcomer '{"rate":10,"per":1}'${data}`, 'a key: the worker hears of it'],
    [`npx causeway status${data}`, 'who is connected, and how far'],
  ];
  const { columns } = output;
  await output.write(
    [
      '',
      `  ${paint.bold(`Causeway ${facts.version} is up`)}`,
      '',
      ...lines.map(
        ([name, value]) => `  ${paint.dim(name.padEnd(13))} ${wrapText(value, columns, nameIndent)}`,
      ),
      '',
      '  Try, in another terminal:',
      '',
      // What it does stands above: a command is copied, and must not be broken by a narrow terminal.
      ...commands.flatMap(([command, what]) => [
        `    ${paint.dim(`# ${what}`)}`,
        `    ${paint.cyan(command)}`,
      ]),
      '',
      '',
    ].join('\n'),
  );
}

/** The same for a pipe: one line, no secret. */
export function startLine({
  listen,
  http,
  organisation,
  credentialsPath,
}: Pick<BannerFacts, 'listen' | 'http' | 'organisation' | 'credentialsPath'>): string {
  // A hub on a real control plane serves many, and has no organisation of its own to name.
  const named = organisation === '' ? '' : `, organisation ${organisation}`;
  return `causeway: workers ${address(listen)}, HTTP ${urlOf(http)}${named}, credentials in ${credentialsPath}`;
}

function urlOf(http: BannerFacts['http']): string {
  return `${http.tls ? 'https' : 'http'}://${address(http)}`;
}

function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || /^127\./.test(host);
}

function address({ host, port }: { readonly host: string; readonly port: number }): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
