import type { NewChange } from '../../domain/change.js';
import { decodeChangeContent, encodeChangeContent } from '../../domain/change-record.js';
import { organisationId } from '../../domain/identifiers.js';
import type { Intention } from '../../ports/change-intentions.js';
import type { Log } from '../../ports/log.js';
import { lastNumberPart, numberPart } from './byte-key.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import type { LmdbTable } from './lmdb-table.js';

/**
 * Table `intentions`: number → JSON {name, changes: [{organisation, content}]}, the content as of the log.
 * Everything but `all` is called inside a write transaction.
 */
export class IntentionTable {
  readonly #table: LmdbTable;
  readonly #log: Log;

  constructor(environment: LmdbEnvironment, log: Log) {
    this.#table = environment.table('intentions');
    this.#log = log;
  }

  add(name: string, changes: readonly NewChange[]): Intention {
    const [last] = this.#table.getKeys({ start: lastKey, reverse: true, limit: 1 });
    const id = last === undefined ? 1 : lastNumberPart(last) + 1;
    const noted = changes.map((change) => ({
      organisation: change.organisation,
      content: encodeChangeContent(change).toString('utf8'),
    }));
    this.#table.put(numberPart(id), Buffer.from(JSON.stringify({ name, changes: noted }), 'utf8'));
    return { id, name, changes };
  }

  remove(id: number): void {
    this.#table.remove(numberPart(id));
  }

  all(): readonly Intention[] {
    const found: Intention[] = [];
    for (const { key, value } of this.#table.getRange({ start: firstKey })) {
      const intention = value === undefined ? undefined : decode(lastNumberPart(key), value);
      if (intention === undefined) {
        this.#log.error('a noted write cannot be read; its workers may not have heard of it', {
          code: 'STORE_ITEM_UNREADABLE',
        });
      } else found.push(intention);
    }
    return found;
  }
}

const firstKey = numberPart(0);
const lastKey = numberPart(Number.MAX_SAFE_INTEGER);

function decode(id: number, value: Buffer): Intention | undefined {
  let noted: unknown;
  try {
    noted = JSON.parse(value.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof noted !== 'object' || noted === null) return undefined;
  const { name, changes } = noted as { readonly name?: unknown; readonly changes?: unknown };
  if (typeof name !== 'string' || !Array.isArray(changes)) return undefined;
  const read: NewChange[] = [];
  for (const one of changes as readonly unknown[]) {
    if (typeof one !== 'object' || one === null) return undefined;
    const { organisation, content } = one as { readonly organisation?: unknown; readonly content?: unknown };
    if (typeof organisation !== 'string' || typeof content !== 'string') return undefined;
    const change = decodeChangeContent(Buffer.from(content, 'utf8'));
    if (change === undefined) return undefined;
    read.push({ organisation: organisationId(organisation), ...change });
  }
  return { id, name, changes: read };
}
