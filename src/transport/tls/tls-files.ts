import type { SecureContext, SecureContextOptions, SecureVersion } from 'node:tls';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { CertificatePaths } from './certificate-pair.js';
import { CertificateSlot, type LoadedCertificate } from './certificate-slot.js';
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

/** Asked for by people who look after certificates. */
export interface CertificateReport {
  /** `server_options` or `http_server_options`. */
  readonly option: string;
  readonly subject: string;
  readonly validTo: string;
  /** `sound`, or what keeps clients from accepting it. */
  readonly trouble: string;
  /** Why the files on disk are not in force; undefined: they are. */
  readonly refused: string | undefined;
}

/**
 * The certificates of one port, reread when their files change: new connections get the new ones, open ones
 * are left alone. Files that clients would be worse off with are logged and the old pair stays in force: see
 * `CertificateSlot`. One that is refused keeps no other from being renewed.
 */
export class TlsFiles implements Component {
  readonly name: string;
  readonly #options: TlsFilesOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #timing: FileWatchTiming;
  readonly #listeners = new Set<() => void>();
  #slots: readonly CertificateSlot[] = [];
  #reload: Promise<void> = Promise.resolve();
  #unwatch: (() => void) | undefined;

  constructor(
    options: TlsFilesOptions,
    dependencies: { readonly log: Log; readonly clock: Clock; readonly metrics: Metrics },
    timing: Partial<FileWatchTiming> = {},
  ) {
    this.name = `tls ${options.optionPath}`;
    this.#options = options;
    this.#log = dependencies.log.child({ component: this.name });
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#timing = { ...defaultTiming, ...timing };
  }

  /** Rejects with CERTIFICATE_INVALID or CONFIG_INVALID. */
  async start(): Promise<void> {
    const paths = this.#paths();
    const { unavailable } = chooseCiphers(this.#options.ciphers, `${this.#options.optionPath}.ssl_ciphers`);
    if (unavailable.length > 0) {
      this.#log.warn('cipher suites left out: this build of OpenSSL does not offer them', { unavailable });
    }
    const { optionPath, minVersion, ciphers } = this.#options;
    const terms = { minVersion, ...cipherTerms(ciphers, minVersion, `${optionPath}.ssl_ciphers`) };
    const slots = paths.map((one) => new CertificateSlot(one, terms, { log: this.#log, clock: this.#clock }));
    for (const slot of slots) await slot.load();
    this.#slots = slots;
    this.#measure();
    const files = slots.flatMap((slot) => slot.files);
    this.#unwatch = watchFiles(files, this.#clock, this.#timing, () => void this.reload());
  }

  /** Looks at the files now, and not only when they change. */
  reload(): Promise<void> {
    this.#reload = this.#reload.then(() => this.#reloadAll());
    return this.#reload;
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#reload;
  }

  notReady(): string | undefined {
    return this.#slots.length === 0 ? 'no certificate has been loaded' : undefined;
  }

  /** For the name a client asked for (SNI); without one, or with an unknown one, the first certificate. */
  secureContext(serverName?: string): SecureContext {
    return this.#choose(serverName).context;
  }

  /** The first certificate in the form that `https.Server` wants. Holds a secret. */
  serverOptions(): SecureContextOptions {
    return this.#choose(undefined).options;
  }

  report(): readonly CertificateReport[] {
    return this.#slots.map((slot) => {
      const { subject, validTo } = slot.inForce.pair.leaf;
      const { optionPath: option } = this.#options;
      return { option, subject, validTo, trouble: slot.trouble(), refused: slot.refused };
    });
  }

  /** Calls back after new certificates took force. Returns the way to unsubscribe. */
  onReload(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of several for one name the first that clients accept. */
  #choose(serverName: string | undefined): LoadedCertificate {
    const [first] = this.#slots;
    if (first === undefined) throw new Error(`${this.name} is used before its start`);
    if (serverName === undefined || this.#slots.length === 1) return first.inForce;
    const matching = this.#slots.filter(
      ({ inForce }) => inForce.pair.leaf.checkHost(serverName) !== undefined,
    );
    const sound = matching.length > 1 ? matching.find((slot) => slot.trouble() === 'sound') : undefined;
    return (sound ?? matching[0] ?? first).inForce;
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

  async #reloadAll(): Promise<void> {
    if (this.#unwatch === undefined) return;
    let changed = false;
    for (const slot of this.#slots) if (await slot.reload()) changed = true;
    this.#measure();
    if (changed) for (const listener of this.#listeners) listener();
  }

  #measure(): void {
    const option = this.#options.optionPath;
    for (const trouble of ['refused', 'expired', 'not-yet-valid', 'chain-broken']) {
      const troubled = this.#slots.filter((slot) => {
        return trouble === 'refused' ? slot.refused !== undefined : slot.trouble() === trouble;
      });
      this.#metrics.set('causeway_certificates_troubled', { option, trouble }, troubled.length);
    }
    const ends = this.#slots.map((slot) => Date.parse(slot.inForce.pair.leaf.validTo) / 1_000);
    this.#metrics.set('causeway_certificate_expiry_timestamp_seconds', { option }, Math.min(...ends));
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
