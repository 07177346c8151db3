import type { DefinitionKind } from '../../domain/definition.js';
import { nodeId, type ZoneId } from '../../domain/identifiers.js';
import { isVisible, type ViewScope } from '../../domain/view.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { ChangeLog, CursorOwner } from '../../ports/change-log.js';
import type { Clock } from '../../ports/clock.js';

/** A worker that fetches definitions whole, and asks whether they have changed. */
export interface DefinitionHolder {
  /** Names the process over all its connections. */
  readonly member: string;
  readonly zone: ZoneId;
  readonly scope: ViewScope;
}

const cursorPrefix = 'definitions:';
const pageEntries = 1_000;
/** Who is further behind than this is told to fetch without a closer look. */
const entriesMax = 20_000;

/** True for cursors that say which definitions a worker holds, and nothing of key events. */
export function isDefinitionCursor(owner: Pick<CursorOwner, 'node'>): boolean {
  return owner.node.startsWith(cursorPrefix);
}

/**
 * Remembers over a restart of the hub which definitions a worker has: not their content, only the place in
 * the change log where it fetched them. A worker that comes back is told to fetch again if, and only if, one
 * of the changes since then is its business.
 */
export class DefinitionCursors {
  readonly #changeLog: ChangeLog;
  readonly #clock: Clock;

  constructor(ports: { readonly changeLog: ChangeLog; readonly clock: Clock }) {
    this.#changeLog = ports.changeLog;
    this.#clock = ports.clock;
  }

  /** The place in the log that what is in force now includes. To be read before the view is. */
  async newest({ scope }: DefinitionHolder): Promise<number> {
    return (await this.#changeLog.bounds(scope.organisation)).newest;
  }

  async note(holder: DefinitionHolder, sequence: number): Promise<void> {
    await this.#changeLog.moveCursor({ ...ownerOf(holder), sequence, atMs: this.#clock.nowMs() });
  }

  /** The worker is gone. If it comes back after all, it is one of which nothing is known. */
  async forget(holder: DefinitionHolder): Promise<void> {
    await this.#changeLog.removeCursor(ownerOf(holder));
  }

  /** Whether something has changed for a worker since it fetched; undefined: it is not known to have. */
  async missed(holder: DefinitionHolder, kinds: readonly DefinitionKind[]): Promise<boolean | undefined> {
    const { organisation } = holder.scope;
    const cursor = await this.#changeLog.readCursor(ownerOf(holder));
    if (cursor === undefined) return undefined;
    const { newest } = await this.#changeLog.bounds(organisation);
    if (newest - cursor.sequence > entriesMax) return true;
    for (let after = cursor.sequence; after < newest; ) {
      const entries = await this.#read(organisation, after);
      const last = entries?.at(-1);
      if (entries === undefined) return true;
      if (last === undefined) break;
      after = last.sequence;
      for (const { body } of entries) {
        if (body.type !== 'definition' || !kinds.includes(body.kind)) continue;
        const { kind, before, after: since } = body;
        if (before !== undefined && isVisible(kind, before, holder.scope)) return true;
        if (since !== undefined && isVisible(kind, since, holder.scope)) return true;
      }
    }
    return false;
  }

  /** Undefined: no longer kept. */
  async #read(organisation: ViewScope['organisation'], after: number) {
    try {
      return await this.#changeLog.read(organisation, after, pageEntries);
    } catch (thrown) {
      if (thrown instanceof CausewayError && thrown.code === 'CHANGE_LOG_TRIMMED') return undefined;
      throw thrown;
    }
  }
}

function ownerOf({ member, zone, scope: { organisation } }: DefinitionHolder): CursorOwner {
  return { organisation, zone, node: nodeId(cursorPrefix + member) };
}
