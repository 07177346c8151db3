/** Identifiers are strings that a decoder has looked at; the brand keeps them from being mixed up. */
type Brand<Name extends string> = string & { readonly __brand: Name };

/** Organisation id, usually 24 hex digits. Sent by workers as `slave_options.rpc_key`. */
export type OrganisationId = Brand<'OrganisationId'>;
/** The `group_id` of a worker. {@link ungrouped} when the worker has none. */
export type ZoneId = Brand<'ZoneId'>;
/** One worker process; a gateway says `solo-<uuid>`. */
export type NodeId = Brand<'NodeId'>;

export const organisationId = (text: string): OrganisationId => text as OrganisationId;
export const zoneId = (text: string): ZoneId => text as ZoneId;
export const nodeId = (text: string): NodeId => text as NodeId;

/** Shown for workers without a group id; each of them has a cursor of its own. */
export const ungrouped = zoneId('ungrouped');
