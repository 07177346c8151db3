import type { DefinitionChange, KeySpaceChange, NewChange } from './change.js';
import { definitionKinds, type Visibility } from './definition.js';
import type { KeyEvent, KeyEventKind } from './key-event.js';

/** What a change log keeps of a change; organisation and sequence are in the entry's name. */
export type ChangeContent = Pick<NewChange, 'atMs' | 'body'>;

/** JSON, UTF-8. `key-removed` and the like keep their kind, which the field's spelling would lose. */
export function encodeChangeContent({ atMs, body }: ChangeContent): Buffer {
  return Buffer.from(JSON.stringify({ atMs, body }), 'utf8');
}

/** undefined: no content that this version knows. */
export function decodeChangeContent(bytes: Buffer): ChangeContent | undefined {
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(content) || typeof content['atMs'] !== 'number' || !isObject(content['body']))
    return undefined;
  const body = content['body'];
  const read = body['type'] === 'key' ? readKeySpaceChange(body) : readDefinitionChange(body);
  return read === undefined ? undefined : { atMs: content['atMs'], body: read };
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readDefinitionChange(body: Fields): DefinitionChange | undefined {
  const { id, hash } = body;
  const kind = definitionKinds.find((one) => one === body['kind']);
  if (body['type'] !== 'definition' || kind === undefined || typeof id !== 'string') return undefined;
  if (hash !== undefined && typeof hash !== 'string') return undefined;
  const before = readVisibility(body['before']);
  const after = readVisibility(body['after']);
  if (before === 'unreadable' || after === 'unreadable') return undefined;
  return { type: 'definition', kind, id, hash, before, after };
}

function readVisibility(value: unknown): Visibility | undefined | 'unreadable' {
  if (value === undefined) return undefined;
  if (!isObject(value)) return 'unreadable';
  const { tags, tagsDisabled, ownerUsers, ownerGroups } = value;
  if (!isTextList(tags) || typeof tagsDisabled !== 'boolean') return 'unreadable';
  if (!isTextList(ownerUsers) || !isTextList(ownerGroups)) return 'unreadable';
  return { tags, tagsDisabled, ownerUsers, ownerGroups };
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** The fields of each kind of event, by the type of their value. */
const keyEventFields: Readonly<Record<KeyEventKind, Readonly<Record<string, 'string' | 'boolean'>>>> = {
  'key-changed': { key: 'string', hashed: 'boolean' },
  'key-removed': { key: 'string', hashed: 'boolean' },
  'quota-reset': { key: 'string', hashed: 'boolean' },
  'oauth-token-revoked': { token: 'string', hashed: 'boolean', api: 'string', scope: 'string' },
  'oauth-tokens-revoked': { api: 'string', client: 'string', secret: 'string' },
  'certificate-added': { certificate: 'string' },
  'certificate-removed': { certificate: 'string' },
  'oauth-client-added': { api: 'string', client: 'string', organisation: 'string' },
  'oauth-client-updated': { api: 'string', client: 'string', organisation: 'string' },
  'oauth-client-removed': { api: 'string', client: 'string', organisation: 'string' },
  'api-cache-flushed': { api: 'string' },
  'jwks-cache-flushed': { api: 'string' },
  'user-key-reset': { oldKey: 'string', newKey: 'string' },
};

function readKeySpaceChange(body: Fields): KeySpaceChange | undefined {
  const event = body['event'];
  if (!isObject(event) || typeof event['kind'] !== 'string') return undefined;
  if (!Object.hasOwn(keyEventFields, event['kind'])) return undefined;
  const fields = keyEventFields[event['kind'] as KeyEventKind];
  for (const [name, type] of Object.entries(fields)) {
    if (typeof event[name] !== type) return undefined;
  }
  const { scope } = event;
  if ('scope' in fields && scope !== 'both' && scope !== 'access' && scope !== 'refresh') return undefined;
  return { type: 'key', event: event as unknown as KeyEvent };
}
