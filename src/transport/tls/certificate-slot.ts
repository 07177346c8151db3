import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import {
  type CertificatePair,
  type CertificatePaths,
  fingerprintOf,
  readCertificatePair,
} from './certificate-pair.js';
import { type CertificateTrouble, isWorse, troubleOf } from './certificate-standing.js';

/** A certificate in force, in the forms that listeners take. `options` holds a secret. */
export interface LoadedCertificate {
  readonly pair: CertificatePair;
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
}

/**
 * One certificate of a port: the one in force, and what its files hold by now.
 *
 * New files take force unless clients were worse off with them. What stays in force instead is looked at anew each
 * time, so a certificate that was installed too early takes force when its time has come, and one that is refused
 * for another that has run out meanwhile takes force after all.
 */
export class CertificateSlot {
  readonly #paths: CertificatePaths;
  readonly #terms: SecureContextOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  #inForce: LoadedCertificate | undefined;
  #fingerprint = '';
  #trouble: CertificateTrouble = 'sound';
  #refused: string | undefined;

  constructor(
    paths: CertificatePaths,
    terms: SecureContextOptions,
    { log, clock }: { readonly log: Log; readonly clock: Clock },
  ) {
    this.#paths = paths;
    this.#terms = terms;
    this.#log = log;
    this.#clock = clock;
  }

  get files(): readonly string[] {
    return [this.#paths.certificateFile, this.#paths.keyFile];
  }

  get inForce(): LoadedCertificate {
    if (this.#inForce === undefined) throw new Error(`${this.#paths.option} is used before its start`);
    return this.#inForce;
  }

  /** Of the certificate in force, as of now. */
  trouble(): CertificateTrouble {
    return troubleOf(this.inForce.pair, this.#clock.nowMs());
  }

  /** Why the files on disk are not in force; undefined: they are. */
  get refused(): string | undefined {
    return this.#refused;
  }

  /** The first reading, which takes whatever can be used at all. Rejects with CERTIFICATE_INVALID. */
  async load(): Promise<void> {
    this.#use(await this.#read());
  }

  /** Resolves to whether another certificate is in force now. */
  async reload(): Promise<boolean> {
    this.#noteTrouble();
    let next: LoadedCertificate;
    try {
      next = await this.#read();
    } catch (thrown) {
      this.#refuse(describeError(thrown), thrown);
      return false;
    }
    if (fingerprintOf([next.pair]) === this.#fingerprint) {
      this.#refused = undefined;
      return false;
    }
    const nowMs = this.#clock.nowMs();
    const { pair: current } = this.inForce;
    if (isWorse(next.pair, current, nowMs)) {
      const { option, certificateFile } = this.#paths;
      const trouble = wordsOf(troubleOf(next.pair, nowMs), next.pair);
      const standing = wordsOf(troubleOf(current, nowMs), current);
      const problem = `${option}: the new certificate in ${certificateFile} ${trouble}; the one in force ${standing}`;
      this.#refuse(problem, new CausewayError('CERTIFICATE_INVALID', problem));
      return false;
    }
    this.#use(next);
    return true;
  }

  async #read(): Promise<LoadedCertificate> {
    const pair = await readCertificatePair(this.#paths);
    const options = { ...this.#terms, cert: pair.certificate, key: pair.key };
    try {
      return { pair, options, context: createSecureContext(options) };
    } catch (thrown) {
      const { option, certificateFile } = this.#paths;
      throw new CausewayError(
        'CERTIFICATE_INVALID',
        `${option}: ${certificateFile} is refused: ${describeError(thrown)}`,
        { cause: thrown },
      );
    }
  }

  #use(loaded: LoadedCertificate): void {
    this.#inForce = loaded;
    this.#fingerprint = fingerprintOf([loaded.pair]);
    this.#refused = undefined;
    this.#trouble = 'sound';
    const { subject, validTo } = loaded.pair.leaf;
    this.#log.info('certificate in force', { subject, validTo });
    this.#noteTrouble();
  }

  /** Said when it begins, not at every look. */
  #noteTrouble(): void {
    const trouble = this.trouble();
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (trouble === 'sound') return;
    const { pair } = this.inForce;
    this.#log.error(`the certificate in force ${wordsOf(trouble, pair)}`, {
      option: this.#paths.option,
      subject: pair.leaf.subject,
      trouble,
    });
  }

  #refuse(problem: string, error: unknown): void {
    if (problem === this.#refused) return;
    this.#refused = problem;
    this.#log.error('new certificate files are not usable; the old certificate stays in force', { error });
  }
}

function wordsOf(trouble: CertificateTrouble, { leaf }: CertificatePair): string {
  switch (trouble) {
    case 'expired':
      return `has expired (${leaf.validTo})`;
    case 'not-yet-valid':
      return `is not valid before ${leaf.validFrom}`;
    case 'chain-broken':
      return 'comes with a chain that does not lead to it';
    case 'sound':
      return `is good until ${leaf.validTo}`;
  }
}
