/**
 * Every failure an operator or a worker can be told about, by code.
 *
 * `kind` decides how a transport answers; `retry` is advice for the caller; `log` is the level it is
 * logged at when it reaches the edge; `text` is what the operator reads in docs/errors.md.
 */
export type ErrorKind =
  | 'invalid' // the caller sent something that can never work
  | 'unauthenticated' // who are you?
  | 'forbidden' // known, but not allowed
  | 'not-found'
  | 'conflict' // somebody else holds it, or it has to be confirmed first
  | 'limit' // a bound was reached
  | 'unavailable' // a store or a peer is away: try again
  | 'internal'; // our own defect

export type RetryAdvice = 'never' | 'later' | 'after-reconnect';

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly retry: RetryAdvice;
  readonly log: 'debug' | 'info' | 'warn' | 'error';
  /** Exit code of the process when this error ends it. */
  readonly exitCode: number;
  readonly text: string;
}

export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  configuration: 3,
  portBusy: 4,
  dataFolder: 5,
  certificate: 6,
  store: 7,
  hubUnreachable: 8,
  refused: 9,
  notFound: 10,
  interrupted: 130,
} as const;

export const errorCatalogue = {
  CONFIG_INVALID: {
    kind: 'invalid',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.configuration,
    text: 'The configuration has problems. Each is listed with its option path, the value kind found and what would be right.',
  },
  CONFIG_UNREADABLE: {
    kind: 'invalid',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.configuration,
    text: 'The configuration file cannot be read or is not JSON.',
  },
  CONFIG_MISSING: {
    kind: 'invalid',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.usage,
    text: '`causeway start` needs either a configuration file (-c PATH) or --embedded.',
  },
  PORT_BUSY: {
    kind: 'conflict',
    retry: 'later',
    log: 'error',
    exitCode: exitCodes.portBusy,
    text: 'The address is in use or may not be bound. Stop the other process or choose another port.',
  },
  DATA_FOLDER_LOCKED: {
    kind: 'conflict',
    retry: 'later',
    log: 'error',
    exitCode: exitCodes.dataFolder,
    text: 'Another hub runs on this data folder. Only one process may use it.',
  },
  DATA_FOLDER_UNUSABLE: {
    kind: 'unavailable',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.dataFolder,
    text: 'The data folder cannot be created or written.',
  },
  DATA_FOLDER_LOST: {
    kind: 'conflict',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.dataFolder,
    text: 'The data folder has served before, but its store (`causeway.mdb`) is missing, emptied, damaged beyond reading, an older copy or that of another folder. Taking that for a first start would take the keys from the workers. Put the right file back, or start once with `--accept-data-loss`: a new change log begins, workers get snapshots, and what was in the store is gone.',
  },
  CERTIFICATE_INVALID: {
    kind: 'invalid',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.certificate,
    text: 'A certificate or private key cannot be read, or the two do not belong together.',
  },
  STORE_UNAVAILABLE: {
    kind: 'unavailable',
    retry: 'later',
    log: 'warn',
    exitCode: exitCodes.store,
    text: 'A store did not answer. Workers keep what they have; the hub retries with backoff.',
  },
  STORE_ITEM_UNREADABLE: {
    kind: 'internal',
    retry: 'never',
    log: 'error',
    exitCode: exitCodes.store,
    text: 'A stored item is damaged or cannot be decoded. It is an error and never "not found"; other items are served. A damaged embedded store is mended at the next start: write lost keys again and start once with `--accept-data-loss`, or put the store back.',
  },
  ANALYTICS_REFUSED: {
    kind: 'invalid',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.store,
    text: 'Analytics that can never be stored as they are. They are divided, and the record at fault is set aside; `causeway status` counts what was.',
  },
  API_KEY_REFUSED: {
    kind: 'unauthenticated',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.refused,
    text: 'The API key is missing, unknown, or belongs to a user that is not active.',
  },
  ORGANISATION_REFUSED: {
    kind: 'forbidden',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.refused,
    text: 'The API key is not valid for the organisation that was named, or the organisation is not hybrid-enabled.',
  },
  LOGIN_RATE_LIMITED: {
    kind: 'limit',
    retry: 'later',
    log: 'warn',
    exitCode: exitCodes.refused,
    text: 'Too many failed logins from this address or the network around it. On the worker port a correct API key is still accepted; on the HTTP port the secret is not looked at before a minute has passed.',
  },
  SECRET_PLACEHOLDER: {
    kind: 'forbidden',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.refused,
    text: 'The secret of the HTTP port (`security.secret`) is a placeholder such as `CHANGEME`, or too short: everybody knows it or can guess it. `/causeway/v1` stays shut until there is another one, at least 8 characters that stand in no example.',
  },
  NOT_LOGGED_IN: {
    kind: 'unauthenticated',
    retry: 'after-reconnect',
    log: 'info',
    exitCode: exitCodes.refused,
    text: 'The call needs a login first.',
  },
  SESSION_REPLACED: {
    kind: 'conflict',
    retry: 'never',
    log: 'info',
    exitCode: exitCodes.refused,
    text: 'Another stream of the same node in the same zone has taken over. Two workers must not share a node id.',
  },
  OUT_OF_SCOPE: {
    kind: 'forbidden',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.refused,
    text: 'The name asked for does not belong to the organisation of this worker.',
  },
  NOT_FOUND: {
    kind: 'not-found',
    retry: 'never',
    log: 'debug',
    exitCode: exitCodes.notFound,
    text: 'There is nothing by that name.',
  },
  REQUEST_INVALID: {
    kind: 'invalid',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.usage,
    text: 'A request is not well-formed; the message names the field.',
  },
  FRAME_INVALID: {
    kind: 'invalid',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.unexpected,
    text: 'Bytes on the wire do not follow the protocol; the message names the offset.',
  },
  LIMIT_EXCEEDED: {
    kind: 'limit',
    retry: 'never',
    log: 'warn',
    exitCode: exitCodes.unexpected,
    text: 'A bound was reached; the message names it. See docs/limits.md.',
  },
  CATALOG_NOT_READY: {
    kind: 'unavailable',
    retry: 'later',
    log: 'warn',
    exitCode: exitCodes.store,
    text: 'The catalog has not been loaded yet and there is no last good copy to serve.',
  },
  CHANGE_LOG_TRIMMED: {
    kind: 'conflict',
    retry: 'after-reconnect',
    log: 'info',
    exitCode: exitCodes.unexpected,
    text: 'The cursor is older than the retained change log. The worker receives a fresh snapshot.',
  },
  SHUTTING_DOWN: {
    kind: 'unavailable',
    retry: 'after-reconnect',
    log: 'info',
    exitCode: exitCodes.unexpected,
    text: 'The hub is shutting down. Reconnect; another hub or the restarted one will answer.',
  },
  HUB_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    log: 'error',
    exitCode: exitCodes.hubUnreachable,
    text: 'No hub answers at the given address.',
  },
  INTERNAL: {
    kind: 'internal',
    retry: 'later',
    log: 'error',
    exitCode: exitCodes.unexpected,
    text: 'A defect in Causeway. The log has the detail.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;
