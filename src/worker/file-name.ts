import { createHash } from 'node:crypto';

/** File systems allow 255 bytes; suffixes need some. */
const nameBytesMax = 200;

/**
 * An id as a file name: small letters, digits, `-` and `_` stand for themselves, every other byte is
 * `%` and two hex digits. Capitals are escaped too, because some file systems take `A` for `a`; dots,
 * because suffixes begin with one. Ids that are empty or become too long are named by their digest, behind `~`.
 */
export function fileNameOf(id: string): string {
  let name = '';
  for (const byte of Buffer.from(id, 'utf8')) {
    const character = String.fromCharCode(byte);
    name += /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }
  const fits = name !== '' && name.length <= nameBytesMax;
  return fits ? name : `~${createHash('sha256').update(id).digest('hex')}`;
}
