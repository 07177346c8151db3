import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Credentials, credentialsPath, readCredentials } from '../app/credentials-file.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Codec } from '../hub/fanout/frame-encoder.js';
import type { BridgeAddress } from '../transport/grpc/bridge-client.js';
import { type CliContext, dataFolderOf } from './cli-context.js';
import { readCertificate } from './hub-api.js';

export interface WorkerCommandOptions {
  readonly hub?: string;
  readonly organisation?: string;
  readonly apiKey?: string;
  readonly group?: string;
  readonly tags?: string;
  readonly node?: string;
  readonly data?: string;
  readonly copy?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly compression: string;
  readonly report?: string;
  readonly once?: boolean;
  readonly showKeys?: boolean;
  readonly json?: boolean;
}

/** The options, checked and completed. */
export interface WorkerSettings {
  readonly address: BridgeAddress;
  readonly organisation: string;
  readonly apiKey: string;
  readonly group: string;
  readonly tags: readonly string[];
  readonly segmented: boolean;
  readonly codecs: readonly Codec[];
  /** Where the local copy is kept. */
  readonly folder: string;
}

export function describeWorker(command: Command): Command {
  return command
    .description(
      'run the reference worker: prints what arrives and keeps a local copy that survives restarts',
    )
    .option('--hub <host:port>', "the hub's worker port (default: from credentials.json)")
    .option('--organisation <id>', 'organisation to work for (default: from credentials.json)')
    .option('--api-key <key>', "a user's API key (CAUSEWAY_API_KEY; default: from credentials.json)")
    .option('--group <zone>', 'the zone; without one the worker is on its own')
    .option('--tags <a,b>', 'receive only APIs with one of these tags; without: all of the organisation')
    .option('--node <id>', 'name of this worker, unique and stable (default: made up once and kept)')
    .option('--data <folder>', 'folder with credentials.json (CAUSEWAY_DATA_PATH; default: ./var)')
    .option(
      '--copy <folder>',
      'folder of the local copy (default: below --data, by organisation and node or zone)',
    )
    .option('--tls', 'connect with TLS')
    .option('--ca <file>', 'PEM file of the authority that signed the certificate of the hub; implies --tls')
    .option('--insecure', 'TLS without checking the certificate of the hub; implies --tls')
    .option('--compression <codec>', 'lz4, gzip or none', 'lz4')
    .option('--report <file>', 'send analytics home: a JSON array of records')
    .option('--once', 'exit when everything is applied and reported, or when the hub cannot be reached')
    .option('--show-keys', 'show raw keys in full; hashes always are')
    .option('--json', 'print one JSON object per event')
    .addHelpText(
      'after',
      `
Goes on while the hub is away and catches up when it is back. Stop it with Ctrl-C.

  causeway worker --group eu --tags eu
  causeway worker --hub hub.example.com:9091 --tls --organisation 5e9d... --group eu`,
    );
}

/** Rejects with REQUEST_INVALID that names the option. */
export async function workerSettings(
  context: CliContext,
  options: WorkerCommandOptions,
): Promise<WorkerSettings> {
  const data = dataFolderOf(context, options.data);
  const credentials = await readCredentials(data);
  const given = (name: string, value: string | undefined): string => {
    if (value !== undefined && value !== '') return value;
    throw new CausewayError(
      'REQUEST_INVALID',
      `--${name} is missing, and there is no ${credentialsPath(data)} of a hub that would say it`,
    );
  };
  const target = given('hub', options.hub ?? credentials?.listen);
  if (!/^(?:[^:]+|\[[^\]]+\]):\d+$/.test(target)) {
    throw new CausewayError('REQUEST_INVALID', `--hub: '${target}' is not host:port`);
  }
  const organisation = given('organisation', options.organisation ?? credentials?.organisation);
  const apiKey = given('api-key', options.apiKey ?? context.env['CAUSEWAY_API_KEY'] ?? credentials?.api_key);
  const tags = (options.tags ?? '').split(',').map((tag) => tag.trim());
  return {
    address: { target, tls: await tlsOf(options, options.hub === undefined ? credentials : undefined) },
    organisation,
    apiKey,
    group: options.group ?? '',
    tags: tags.filter((tag) => tag !== ''),
    segmented: options.tags !== undefined,
    codecs: [codecOf(options.compression)],
    folder:
      options.copy ??
      join(data, 'workers', fileSafe(organisation), fileSafe(options.node ?? (options.group || 'ungrouped'))),
  };
}

/** `credentials`: of the hub that is dialled, when they are what named it. */
async function tlsOf(
  { tls, ca, insecure }: WorkerCommandOptions,
  credentials: Partial<Credentials> | undefined,
): Promise<BridgeAddress['tls']> {
  if (ca === undefined && insecure !== true && credentials?.listen_certificate) {
    return { ca: undefined, insecure: false, pinned: await readCertificate(credentials.listen_certificate) };
  }
  if (tls !== true && ca === undefined && insecure !== true) return undefined;
  try {
    return { ca: ca === undefined ? undefined : await readFile(ca), insecure: insecure === true };
  } catch (thrown) {
    throw new CausewayError('CERTIFICATE_INVALID', `--ca: ${describeError(thrown)}`);
  }
}

function codecOf(text: string): Codec {
  if (text === 'lz4' || text === 'gzip' || text === 'none') return text;
  throw new CausewayError('REQUEST_INVALID', `--compression: '${text}' is not lz4, gzip or none`);
}

function fileSafe(text: string): string {
  return encodeURIComponent(text).replaceAll('.', '%2E');
}
