import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CausewayError } from '../../errors/causeway-error.js';

/** Where one certificate chain and its private key stand; both paths may name one file. */
export interface CertificatePaths {
  /** The option that named them, for messages. */
  readonly option: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface CertificatePair {
  readonly leaf: X509Certificate;
  /** What else stands in the file, in its order. */
  readonly chain: readonly X509Certificate[];
  /** PEM: the leaf, then its chain. */
  readonly certificate: Buffer;
  /** Secret. PEM. */
  readonly key: Buffer;
}

const certificateBlock =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
/** Chains have two or three; this many are looked at, and all are sent. */
const certificatesMax = 32;

/** Rejects with CERTIFICATE_INVALID, naming option and file. */
export async function readCertificatePair(paths: CertificatePaths): Promise<CertificatePair> {
  const certificate = await readPem(paths.option, paths.certificateFile);
  const key = await readPem(paths.option, paths.keyFile);
  const [leaf, ...chain] = parse(paths.option, paths.certificateFile, 'no certificate in PEM form', () => {
    return parseCertificates(certificate);
  });
  const privateKey = parse<KeyObject>(paths.option, paths.keyFile, 'no usable private key in PEM form', () =>
    createPrivateKey(key),
  );
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new CausewayError(
      'CERTIFICATE_INVALID',
      `${paths.option}: the key in ${paths.keyFile} does not belong to the certificate in ${paths.certificateFile}`,
    );
  }
  return { leaf, chain, certificate, key };
}

/** At least one; throws when one of them is damaged. */
function parseCertificates(pem: Buffer): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.toString('latin1').match(certificateBlock) ?? [];
  const [leaf = pem, ...chain] = blocks.slice(0, certificatesMax);
  return [new X509Certificate(leaf), ...chain.map((block) => new X509Certificate(block))];
}

/** Equal for equal files: tells a real change from a mere touch. */
export function fingerprintOf(pairs: readonly CertificatePair[]): string {
  const hash = createHash('sha256');
  for (const { certificate, key } of pairs) hash.update(certificate).update('\0').update(key).update('\0');
  return hash.digest('hex');
}

async function readPem(option: string, file: string): Promise<Buffer> {
  if (file === '') {
    throw new CausewayError('CERTIFICATE_INVALID', `${option}: a file is missing`);
  }
  try {
    return await readFile(file);
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new CausewayError('CERTIFICATE_INVALID', `${option}: cannot read ${file} (${code})`, {
      cause: thrown,
    });
  }
}

function parse<Parsed>(option: string, file: string, problem: string, run: () => Parsed): Parsed {
  try {
    return run();
  } catch (thrown) {
    throw new CausewayError('CERTIFICATE_INVALID', `${option}: ${file} holds ${problem}`, { cause: thrown });
  }
}
