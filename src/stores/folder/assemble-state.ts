import { CatalogAssembly } from '../../domain/catalog-assembly.js';
import { withOas } from '../../domain/catalog-item.js';
import type { Definition } from '../../domain/definition.js';
import { bySource, type Claim } from '../../domain/resolve-claims.js';
import type { CatalogState } from '../../ports/catalog.js';
import { type FileItem, isOasSource } from './decode-file.js';
import { classicSourceOf, type FileRecord, oasSourceOf } from './file-table.js';

/** An API's two files as they were when they were put together. */
interface PairedApi {
  readonly classic: FileItem;
  readonly oas: FileItem;
  readonly definition: Definition;
}

/** Makes one catalog state of what the files say each for themselves: pairs APIs with their OpenAPI documents. */
export class StateAssembler {
  readonly #assembly = new CatalogAssembly({ orphans: 'quarantined' });
  readonly #paired = new Map<string, PairedApi>();

  assemble(
    records: ReadonlyMap<string, FileRecord>,
    lastGood: (source: string) => readonly Definition[],
  ): CatalogState {
    const sorted = [...records.values()].sort(bySource);
    const definitions: Claim<Definition>[] = [];
    for (const record of sorted) {
      if (!/^(apis|policies|client-idps)\//.test(record.source)) continue;
      const claim = this.#claimDefinition(record, records);
      if (claim !== undefined) definitions.push(claim);
    }
    for (const source of this.#paired.keys()) if (!records.has(source)) this.#paired.delete(source);
    const organisations = claimsOf(sorted, 'organisations/', ({ item }) =>
      item.type === 'organisation' ? item.organisation : undefined,
    );
    const users = claimsOf(sorted, 'users/', ({ item }) => (item.type === 'user' ? item.user : undefined));
    const { orphans: _none, ...state } = this.#assembly.assemble(
      { organisations, users, definitions },
      lastGood,
    );
    // What stands in a folder is served, as a gateway serves its own: see domain/switched-off.ts.
    return { ...state, switchedOff: [] };
  }

  /** Undefined: the file is the second one of a pair, and in order. */
  #claimDefinition(
    record: FileRecord,
    records: ReadonlyMap<string, FileRecord>,
  ): Claim<Definition> | undefined {
    const { source, item } = record;
    const missing = record.missingSinceMs !== undefined;
    const broken = (reason: string, at = source): Claim<Definition> => {
      return { source, item: undefined, problem: { source: at, reason }, missing };
    };
    if (item.type === 'oas') {
      const classic = classicSourceOf(source);
      return records.has(classic) || missing ? undefined : broken(`there is no ${classic} to go with it`);
    }
    if (item.type === 'problem') return this.#isReported(source, records) ? undefined : broken(item.reason);
    if (item.type !== 'definition') return undefined;
    if (!item.awaitsOas) return { source, item: item.definition, problem: undefined, missing };

    const oasSource = oasSourceOf(source, records);
    const oas = records.get(oasSource)?.item;
    if (oas === undefined) return broken(`is_oas is true and there is no ${oasSource}`);
    if (oas.type === 'problem') return broken(oas.reason, oasSource);
    if (oas.type !== 'oas') return undefined;
    return {
      source,
      item: this.#pair(source, item, item.definition, oas, oas.text),
      problem: undefined,
      missing,
    };
  }

  #pair(source: string, classic: FileItem, definition: Definition, oas: FileItem, text: Buffer): Definition {
    const former = this.#paired.get(source);
    if (former?.classic === classic && former.oas === oas) return former.definition;
    const paired = { classic, oas, definition: withOas(definition, text) };
    this.#paired.set(source, paired);
    return paired.definition;
  }

  /** A broken OpenAPI document is told once, by the definition that needs it. */
  #isReported(source: string, records: ReadonlyMap<string, FileRecord>): boolean {
    if (!isOasSource(source)) return false;
    const classic = records.get(classicSourceOf(source))?.item;
    return classic?.type === 'definition';
  }
}

function claimsOf<Item>(
  records: readonly FileRecord[],
  prefix: string,
  itemOf: (record: FileRecord) => Item | undefined,
): Claim<Item>[] {
  return records
    .filter((record) => record.source.startsWith(prefix))
    .map((record) => {
      const { source, item } = record;
      const reason = item.type === 'problem' ? item.reason : undefined;
      return {
        source,
        item: itemOf(record),
        problem: reason === undefined ? undefined : { source, reason },
        missing: record.missingSinceMs !== undefined,
      };
    });
}
