import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import {
  type CertificatePair,
  type CertificatePaths,
  fingerprintOf,
  readCertificatePair,
} from './certificate-pair.js';
import { chooseCiphers } from './cipher-names.js';
import { type FileWatchTiming, watchFiles } from './file-watch.js';

/** The TLS part of `server_options` or `http_server_options`. */
export interface TlsFilesOptions {
  /** `server_options` or `http_server_options`: names the component, and options in messages. */
  readonly optionPath: string;
  /** Empty texts: only `certificates` count. */
  readonly certFile: string;
  readonly keyFile: string;
  /**
   * The option `ssl_certificates`: PEM files, each with a chain and its private key; chosen by the server name a client asks for. All should have
   * one kind of key (all RSA or all EC): Node adds the chosen certificate to the first one instead of replacing it,
   * and a client that prefers the first one's kind is then shown that one.
   */
  readonly certificates: readonly string[];
  readonly minVersion: SecureVersion;
  /** The option `ssl_ciphers`; empty: Node's defaults. */
  readonly ciphers: readonly string[];
}

const defaultTiming: FileWatchTiming = { settleMs: 200, pollIntervalMs: 30_000 };

interface LoadedContext {
  readonly pair: CertificatePair;
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
}

/**
 * The certificates of one port, reread when their files change: new connections get the new ones, open ones
 * are left alone. Files that do not make a valid pair are logged and the old pair stays in force.
 */
export class TlsFiles implements Component {
  readonly name: string;
  readonly #options: TlsFilesOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timing: FileWatchTiming;
  readonly #listeners = new Set<() => void>();
  #loaded: readonly LoadedContext[] = [];
  #fingerprint = '';
  /** Why the files on disk are not used; said once, not at every poll. */
  #problem: string | undefined;
  #reload: Promise<void> = Promise.resolve();
  #unwatch: (() => void) | undefined;

  constructor(
    options: TlsFilesOptions,
    dependencies: { readonly log: Log; readonly clock: Clock },
    timing: Partial<FileWatchTiming> = {},
  ) {
    this.name = `tls ${options.optionPath}`;
    this.#options = options;
    this.#log = dependencies.log.child({ component: this.name });
    this.#clock = dependencies.clock;
    this.#timing = { ...defaultTiming, ...timing };
  }

  /** Rejects with CERTIFICATE_INVALID or CONFIG_INVALID. */
  async start(): Promise<void> {
    const paths = this.#paths();
    const { unavailable } = chooseCiphers(this.#options.ciphers, `${this.#options.optionPath}.ssl_ciphers`);
    if (unavailable.length > 0) {
      this.#log.warn('cipher suites left out: this build of OpenSSL does not offer them', { unavailable });
    }
    this.#use(await this.#load(paths));
    const files = paths.flatMap(({ certificateFile, keyFile }) => [certificateFile, keyFile]);
    this.#unwatch = watchFiles(files, this.#clock, this.#timing, () => {
      this.#reload = this.#reload.then(() => this.#reloadFrom(paths));
    });
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#reload;
  }

  notReady(): string | undefined {
    return this.#loaded.length === 0 ? 'no certificate has been loaded' : undefined;
  }

  /** For the name a client asked for (SNI); without one, or with an unknown one, the first certificate. */
  secureContext(serverName?: string): SecureContext {
    const matching =
      serverName === undefined
        ? undefined
        : this.#loaded.find(({ pair }) => pair.leaf.checkHost(serverName) !== undefined);
    return (matching ?? this.#first()).context;
  }

  /** The first certificate in the form that `https.Server` wants. Holds a secret. */
  serverOptions(): SecureContextOptions {
    return this.#first().options;
  }

  /** Calls back after new certificates took force. Returns the way to unsubscribe. */
  onReload(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #first(): LoadedContext {
    const first = this.#loaded[0];
    if (first === undefined) throw new Error(`${this.name} is used before its start`);
    return first;
  }

  #paths(): readonly CertificatePaths[] {
    const { optionPath, certFile, keyFile, certificates } = this.#options;
    const paths: CertificatePaths[] = [];
    if (certFile !== '' || keyFile !== '') {
      paths.push({ option: `${optionPath}.certificate`, certificateFile: certFile, keyFile });
    }
    for (const [index, file] of certificates.entries()) {
      paths.push({
        option: `${optionPath}.ssl_certificates[${index}]`,
        certificateFile: file,
        keyFile: file,
      });
    }
    if (paths.length === 0) {
      throw new CausewayError(
        'CERTIFICATE_INVALID',
        `${optionPath}: use_ssl needs certificate.cert_file and certificate.key_file, or ssl_certificates`,
      );
    }
    return paths;
  }

  async #load(paths: readonly CertificatePaths[]): Promise<readonly LoadedContext[]> {
    const { optionPath, minVersion, ciphers } = this.#options;
    const terms = { minVersion, ...cipherTerms(ciphers, minVersion, `${optionPath}.ssl_ciphers`) };
    const loaded: LoadedContext[] = [];
    for (const path of paths) {
      const pair = await readCertificatePair(path);
      const options = { ...terms, cert: pair.certificate, key: pair.key };
      try {
        loaded.push({ pair, options, context: createSecureContext(options) });
      } catch (thrown) {
        throw new CausewayError(
          'CERTIFICATE_INVALID',
          `${path.option}: ${path.certificateFile} is refused: ${describeError(thrown)}`,
          { cause: thrown },
        );
      }
    }
    return loaded;
  }

  #use(loaded: readonly LoadedContext[]): void {
    this.#loaded = loaded;
    this.#fingerprint = fingerprintOf(loaded.map(({ pair }) => pair));
    this.#problem = undefined;
    for (const { pair } of loaded) {
      const validToMs = Date.parse(pair.leaf.validTo);
      const fields = { subject: pair.leaf.subject, validTo: pair.leaf.validTo };
      if (validToMs < this.#clock.nowMs()) this.#log.warn('the certificate has expired', fields);
      else this.#log.info('certificate in force', fields);
    }
  }

  async #reloadFrom(paths: readonly CertificatePaths[]): Promise<void> {
    if (this.#unwatch === undefined) return;
    try {
      const loaded = await this.#load(paths);
      if (fingerprintOf(loaded.map(({ pair }) => pair)) === this.#fingerprint) {
        this.#problem = undefined;
        return;
      }
      this.#use(loaded);
      for (const listener of this.#listeners) listener();
    } catch (thrown) {
      const problem = describeError(thrown);
      if (problem === this.#problem) return;
      this.#problem = problem;
      this.#log.error('new certificate files are not usable; the old certificate stays in force', {
        error: thrown,
      });
    }
  }
}

function cipherTerms(
  names: readonly string[],
  minVersion: SecureVersion,
  optionPath: string,
): SecureContextOptions {
  const { ciphers } = chooseCiphers(names, optionPath);
  // OpenSSL 3 signs nothing below TLS 1.2 at its default security level.
  const old = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  if (ciphers === undefined && !old) return {};
  return { ciphers: `${ciphers ?? 'DEFAULT'}${old ? ':@SECLEVEL=0' : ''}`, honorCipherOrder: true };
}
