import type { OrganisationId } from '../../domain/identifiers.js';
import { membersOf, rootOf } from '../../domain/json-members.js';
import type { AggregateKind } from '../../ports/analytics-spool.js';

export interface AggregateScreening {
  /** JSON object of what is kept, its text unchanged; undefined: nothing is. */
  readonly payload: Buffer | undefined;
  readonly kept: number;
  /** Aggregates of somebody else, or of nobody. */
  readonly dropped: number;
}

/**
 * Keeps what belongs to the organisation. Aggregates stand under the organisation's id, those of the MCP kind
 * under an API's with the organisation inside. Throws SyntaxError when it is no JSON object.
 */
export function screenAggregates(
  payload: Buffer,
  kind: AggregateKind,
  organisation: OrganisationId,
): AggregateScreening {
  const aggregates: unknown = JSON.parse(payload.toString('utf8'));
  if (aggregates === null) return { payload: undefined, kept: 0, dropped: 0 };
  if (typeof aggregates !== 'object' || Array.isArray(aggregates)) throw new SyntaxError('not a JSON object');
  const members = membersOf(payload, rootOf(payload));
  const own = members.filter(({ name }) =>
    isOwn(name, (aggregates as Record<string, unknown>)[name], kind, organisation),
  );
  const dropped = members.length - own.length;
  if (dropped === 0) return { payload: own.length === 0 ? undefined : payload, kept: own.length, dropped };
  if (own.length === 0) return { payload: undefined, kept: 0, dropped };
  const texts = own.map(({ nameRange, value }) => payload.toString('utf8', nameRange.start, value.end));
  return { payload: Buffer.from(`{${texts.join(',')}}`), kept: own.length, dropped };
}

function isOwn(name: string, aggregate: unknown, kind: AggregateKind, organisation: OrganisationId): boolean {
  if (typeof aggregate !== 'object' || aggregate === null) return false;
  const named = organisationIn(aggregate);
  // What stands under the organisation's id need not say it again.
  if (kind === 'aggregate') return name === organisation && (named === undefined || named === organisation);
  return named === organisation;
}

/** The member is `OrgID`, or `org_id` in other spellings of the field. */
function organisationIn(aggregate: object): unknown {
  for (const [member, value] of Object.entries(aggregate)) {
    if (member.replaceAll('_', '').toLowerCase() === 'orgid' && value !== '' && value !== null) return value;
  }
  return undefined;
}
