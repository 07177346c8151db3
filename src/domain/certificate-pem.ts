import { createDecipheriv, createHash } from 'node:crypto';

/**
 * How the control plane keeps private keys: a PEM block `ENCRYPTED PRIVATE KEY` in the legacy form of OpenSSL,
 * with the headers `Proc-Type: 4,ENCRYPTED` and `DEK-Info: AES-256-CBC,<iv in hex>`. The AES key is
 * EVP_BytesToKey of the secret: MD5, one round, salted with the first 8 bytes of the iv. Decrypted, it is a
 * block `PRIVATE KEY` in PKCS#8, PKCS#1 or SEC1. Source: worker-rpc reference, 6.4.
 *
 * `node:crypto` decrypts this form only below other labels, and not for every kind of key.
 */
const encryptedBlock =
  /-----BEGIN ENCRYPTED PRIVATE KEY-----\r?\n((?:[^\r\n:]+:[^\r\n]*\r?\n)*)\r?\n?([\sA-Za-z0-9+/=]*?)-----END ENCRYPTED PRIVATE KEY-----/g;
const encryptedLabel = '-----BEGIN ENCRYPTED PRIVATE KEY-----';
const cipherKeyBytes: Readonly<Record<string, number>> = {
  'AES-128-CBC': 16,
  'AES-192-CBC': 24,
  'AES-256-CBC': 32,
};
const ivBytes = 16;
const saltBytes = 8;
const base64LineLength = 64;

/**
 * The same PEM with its private keys in clear; every other byte stays as it is. Undefined: a key could not
 * be decrypted. Without an encrypted block it is `pem` itself.
 */
export function decryptPrivateKeys(pem: Buffer, secret: string): Buffer | undefined {
  if (!pem.includes(encryptedLabel)) return pem;
  let failed = false;
  const clear = pem.toString('latin1').replace(encryptedBlock, (_block, headers: string, body: string) => {
    const der = decryptBody(headers, Buffer.from(body, 'base64'), secret);
    if (der === undefined) failed = true;
    return der === undefined ? '' : privateKeyBlock(der);
  });
  // A block that is not even well-formed must not reach a worker either.
  return failed || clear.includes(encryptedLabel) ? undefined : Buffer.from(clear, 'latin1');
}

function decryptBody(headers: string, body: Buffer, secret: string): Buffer | undefined {
  const [, cipher = '', ivHex = ''] =
    /^DEK-Info:\s*([A-Z0-9-]+)\s*,\s*([0-9a-fA-F]+)\s*$/m.exec(headers) ?? [];
  const keyBytes = cipherKeyBytes[cipher];
  const iv = Buffer.from(ivHex, 'hex');
  if (keyBytes === undefined || iv.length !== ivBytes) return undefined;
  try {
    const decipher = createDecipheriv(cipher.toLowerCase(), keyOf(secret, iv, keyBytes), iv);
    const der = Buffer.concat([decipher.update(body), decipher.final()]);
    // One wrong secret in 256 leaves a padding that looks right.
    return isOneSequence(der) ? der : undefined;
  } catch {
    return undefined;
  }
}

/** EVP_BytesToKey with MD5 and one round. */
function keyOf(secret: string, iv: Buffer, keyBytes: number): Buffer {
  const salt = iv.subarray(0, saltBytes);
  const digests: Buffer[] = [];
  let previous: Buffer = Buffer.alloc(0);
  for (let length = 0; length < keyBytes; length += previous.length) {
    previous = createHash('md5').update(previous).update(secret, 'utf8').update(salt).digest();
    digests.push(previous);
  }
  return Buffer.concat(digests).subarray(0, keyBytes);
}

/** DER of any private key: one SEQUENCE that ends where the bytes end. */
function isOneSequence(der: Buffer): boolean {
  if (der.length < 2 || der[0] !== 0x30) return false;
  const first = der[1] ?? 0;
  if (first < 0x80) return der.length === 2 + first;
  const lengthBytes = first & 0x7f;
  if (lengthBytes === 0 || lengthBytes > 4 || der.length < 2 + lengthBytes) return false;
  return der.length === 2 + lengthBytes + der.readUIntBE(2, lengthBytes);
}

function privateKeyBlock(der: Buffer): string {
  const lines = der.toString('base64').match(new RegExp(`.{1,${base64LineLength}}`, 'g')) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----'].join('\n');
}
