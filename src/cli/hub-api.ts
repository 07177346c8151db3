import { readFile } from 'node:fs/promises';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { type RequestOptions as HttpsRequestOptions, request as httpsRequest } from 'node:https';
import type { SecureContext } from 'node:tls';
import type { Command } from 'commander';
import { credentialsPath, readCredentials } from '../app/credentials-file.js';
import { type ErrorCode, errorCatalogue } from '../errors/catalogue.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import { pinnedTrust } from '../transport/tls/pinned-certificate.js';
import { type CliContext, dataFolderOf } from './cli-context.js';

export interface HubApiOptions {
  readonly url?: string;
  readonly secret?: string;
  readonly data?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
}

const guardHeader = 'x-tyk-authorization';
const requestTimeoutMs = 30_000;

/** The options of every command that talks to a running hub. */
export function addHubApiOptions(command: Command): Command {
  return command
    .option('--url <url>', 'HTTP address of the hub (CAUSEWAY_URL; default: from credentials.json)')
    .option('--secret <secret>', 'secret of its HTTP port (CAUSEWAY_SECRET; default: from credentials.json)')
    .option(
      '--data <folder>',
      'data folder of the hub, where credentials.json is (CAUSEWAY_DATA_PATH; default: ./var)',
    )
    .option('--ca <file>', 'PEM file of the authority that signed the certificate of the HTTP port')
    .option('--insecure', 'do not check that certificate');
}

type HubApiTls = Pick<HttpsRequestOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'> & {
  readonly secureContext?: SecureContext;
};

/** The HTTP port of a running hub, as an administrator. */
export class HubApi {
  readonly #url: URL;
  readonly #secret: string;
  readonly #tls: HubApiTls;
  /** The organisation of the credentials file, when that file is about this hub. */
  readonly organisation: string | undefined;

  private constructor(url: URL, secret: string, tls: HubApiTls, organisation: string | undefined) {
    this.#url = url;
    this.#secret = secret;
    this.#tls = tls;
    this.organisation = organisation;
  }

  /** Options over environment over the credentials file. Rejects with REQUEST_INVALID or HUB_UNREACHABLE. */
  static async from(context: CliContext, options: HubApiOptions): Promise<HubApi> {
    const folder = dataFolderOf(context, options.data);
    let url = options.url ?? context.env['CAUSEWAY_URL'];
    let secret = options.secret ?? context.env['CAUSEWAY_SECRET'];
    let organisation: string | undefined;
    let certificate: string | undefined;
    if (url === undefined || secret === undefined) {
      const credentials = await readCredentials(folder);
      if (url === undefined) {
        organisation = credentials?.organisation || undefined;
        certificate = credentials?.http_certificate || undefined;
      }
      const scheme = certificate === undefined ? 'http' : 'https';
      url ??= credentials?.http ? `${scheme}://${credentials.http}` : undefined;
      secret ??= credentials?.http_secret;
    }
    if (url === undefined || secret === undefined) {
      throw new CausewayError(
        'HUB_UNREACHABLE',
        `there is no ${credentialsPath(folder)} that says where a hub is; name --url and --secret, or its --data`,
      );
    }
    return new HubApi(parseUrl(url), secret, await tlsFor(options, certificate), organisation);
  }

  /** The answer's body. Rejects with what the hub said, HUB_UNREACHABLE, or API_KEY_REFUSED for the secret. */
  async call(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    query: Readonly<Record<string, string | undefined>> = {},
    body?: Buffer,
  ): Promise<Buffer> {
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/causeway/v1${path}`;
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const answer = await this.#request(method, url, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw this.#refusal(answer.status, answer.body);
  }

  #request(method: string, url: URL, body: Buffer | undefined): Promise<{ status: number; body: Buffer }> {
    const options: RequestOptions = {
      method,
      timeout: requestTimeoutMs,
      headers: {
        [guardHeader]: this.#secret,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(body.length) }),
      },
    };
    return new Promise((resolve, reject) => {
      const fail = (thrown: unknown) =>
        reject(this.#unreachable(`${describeError(thrown)}${tlsHint(url, thrown)}`));
      const request =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...options, ...this.#tls })
          : httpRequest(url, options);
      request.on('response', (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }));
        response.on('error', fail);
      });
      request.on('timeout', () => request.destroy(new Error(`no answer in ${requestTimeoutMs / 1000} s`)));
      request.on('error', fail);
      request.end(body);
    });
  }

  #unreachable(reason: string): CausewayError {
    return new CausewayError('HUB_UNREACHABLE', `no hub answers at ${this.#url.origin}: ${reason}`);
  }

  #refusal(status: number, body: Buffer): CausewayError {
    if (status === 401) {
      return new CausewayError(
        'API_KEY_REFUSED',
        `the hub at ${this.#url.origin} does not accept the secret`,
      );
    }
    const { error, code } = parseRefusal(body);
    if (error !== undefined && code !== undefined) return new CausewayError(code, error);
    if (status === 404) {
      return new CausewayError(
        'HUB_UNREACHABLE',
        `${this.#url.origin} answers, but it is no hub, or one whose administration is off (security.enable_http_secure_endpoints)`,
      );
    }
    return this.#unreachable(`it answers ${status}`);
  }
}

function parseRefusal(body: Buffer): { error?: string; code?: ErrorCode } {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { error?: unknown; code?: unknown };
    if (typeof parsed.error !== 'string' || typeof parsed.code !== 'string') return {};
    if (!Object.hasOwn(errorCatalogue, parsed.code)) return {};
    return { error: parsed.error, code: parsed.code as ErrorCode };
  } catch {
    return {};
  }
}

function parseUrl(text: string): URL {
  const url = URL.parse?.(text) ?? (URL.canParse(text) ? new URL(text) : null);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CausewayError('REQUEST_INVALID', `--url: '${text}' is not an http:// or https:// address`);
  }
  return url;
}

/** `certificate`: PEM file of the very certificate the hub shows, when its credentials file named the hub. */
async function tlsFor(options: HubApiOptions, certificate: string | undefined): Promise<HubApiTls> {
  if (options.insecure === true) return { rejectUnauthorized: false };
  if (options.ca !== undefined) return { ca: await readCa(options.ca) };
  if (certificate === undefined) return {};
  return pinnedTrust(await readCertificate(certificate));
}

async function readCa(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw new CausewayError('CERTIFICATE_INVALID', `--ca: ${describeError(thrown)}`);
  }
}

/** The file named in credentials.json. Rejects with CERTIFICATE_INVALID. */
export async function readCertificate(path: string): Promise<Buffer> {
  try {
    const pem = await readFile(path);
    pinnedTrust(pem);
    return pem;
  } catch (thrown) {
    throw new CausewayError(
      'CERTIFICATE_INVALID',
      `the hub's certificate ${path}: ${describeError(thrown)}; name its authority with --ca`,
    );
  }
}

/** What a client sees of the other kind of port says nothing to people. */
function tlsHint({ protocol }: URL, thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  if (protocol === 'http:' && (code === 'ECONNRESET' || code.startsWith('HPE_'))) {
    return '; if that port has TLS, the address begins with https://';
  }
  if (protocol === 'https:' && (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code === 'ECONNRESET')) {
    return '; if that port has no TLS, the address begins with http://';
  }
  if (protocol === 'https:' && /CERT|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return '; name the authority of its certificate with --ca';
  }
  return '';
}
