import { createHash } from 'node:crypto';
import type { Definition } from './definition.js';

/**
 * SHA-256 (hex) over form, body and oas. The lengths stand in front, so that no two splits of the same bytes
 * between body and oas are equal.
 */
export function hashDefinition(form: Definition['form'], body: Buffer, oas: Buffer | undefined): string {
  const hash = createHash('sha256')
    .update(`${form}\n${body.length}\n${oas?.length ?? 'none'}\n`)
    .update(body);
  if (oas !== undefined) hash.update(oas);
  return hash.digest('hex');
}
