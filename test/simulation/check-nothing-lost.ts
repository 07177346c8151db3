import type { Change } from '../../src/domain/change.js';
import { type DefinitionKey, definitionKey } from '../../src/domain/definition.js';
import { isVisible } from '../../src/domain/view.js';
import { logOf, type SimulatedWorker } from './simulated-worker.js';
import type { World } from './world.js';

/**
 * No confirmed change is lost: what a worker durably holds at its cursor is what the whole log says, or the
 * log has more for it after the cursor, or the hub has noted that it owes word. Holds at every moment,
 * whoever is dead or away.
 */
export function checkNothingLost(world: World, epoch: string, worker: SimulatedWorker): void {
  const { cursor, scope, definitions, mixed } = worker.durable;
  if (cursor === undefined || scope === undefined || mixed || logOf(cursor.epoch) !== epoch) return;
  const { organisation, node } = worker.settings;
  const last = new Map<DefinitionKey, Change>();
  for (const change of world.history.of(epoch, organisation)) {
    if (change.body.type === 'definition') last.set(definitionKey(change.body.kind, change.body.id), change);
  }
  for (const [key, { sequence, body }] of last) {
    if (body.type !== 'definition' || sequence > cursor.sequence) continue;
    const visible = body.after !== undefined && isVisible(body.kind, body.after, scope);
    const expected = visible ? body.hash : undefined;
    const held = definitions.get(key)?.hash;
    if (held === expected || world.isOwed(organisation, key)) continue;
    world.violation(
      `${node} is at ${cursor.sequence}, holds ${key} ${held?.slice(0, 6)}, and ` +
        `the last word (${sequence}) was ${expected?.slice(0, 6)}`,
    );
  }
}
