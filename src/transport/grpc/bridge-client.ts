import {
  ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { limits } from '../../domain/limits.js';
import type { ErrorCode } from '../../errors/catalogue.js';
import { CausewayError } from '../../errors/causeway-error.js';
import { pinnedTrust } from '../tls/pinned-certificate.js';
import { bridgeService } from './contract.js';
import { organisationMetadata } from './credentials.js';
import type {
  ReportAnalyticsRequestMessage,
  ReportAnalyticsResponseMessage,
  StoredKeyMessage,
  SyncRequestMessage,
  SyncResponseMessage,
} from './messages.js';

export interface BridgeAddress {
  /** `host:port`. */
  readonly target: string;
  /** Undefined: cleartext. */
  readonly tls: BridgeTls | undefined;
}

export interface BridgeTls {
  /** PEM of the authorities to trust; undefined: those of the system. */
  readonly ca: Buffer | undefined;
  /** Do not check the hub's certificate. */
  readonly insecure: boolean;
  /** PEM of the only certificate to trust; it wins over `ca`. */
  readonly pinned?: Buffer | undefined;
}

/** One stream of the contract, from the worker's side. */
export interface BridgeStream<Request> {
  /** In order; dropped silently once the stream has ended. */
  send(message: Request): void;
  /** Stops and goes on reading: what is not read holds the hub back. */
  pause(): void;
  resume(): void;
  /** Nothing more to send. */
  end(): void;
}

export interface BridgeStreamHandlers<Response> {
  message(message: Response): void;
  /** Called once. `undefined`: the hub closed the stream in good order. */
  ended(error: CausewayError | undefined): void;
}

/** One connection to a hub, with everything the contract offers. Not reused after it failed. */
export interface BridgeConnection {
  openSync(handlers: BridgeStreamHandlers<SyncResponseMessage>): BridgeStream<SyncRequestMessage>;
  openAnalytics(
    handlers: BridgeStreamHandlers<ReportAnalyticsResponseMessage>,
  ): BridgeStream<ReportAnalyticsRequestMessage>;
  /** One entry per name, in order. Rejects with a CausewayError. */
  getKeys(names: readonly string[]): Promise<readonly StoredKeyMessage[]>;
  /** Ends all streams and calls at once. */
  close(): void;
}

export interface BridgeCredentials {
  readonly organisation: string;
  readonly apiKey: string;
}

const getKeysTimeoutMs = 30_000;

const channelOptions: ClientOptions = {
  // Reconnecting is the caller's: a shared channel would keep a backoff of its own.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': limits.hubPayloadBytesMax,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
};

/** Connects when the first stream is opened. */
export function connectBridge(address: BridgeAddress, credentials: BridgeCredentials): BridgeConnection {
  return new GrpcBridgeConnection(address, credentials);
}

class GrpcBridgeConnection implements BridgeConnection {
  readonly #address: BridgeAddress;
  readonly #client: Client;
  readonly #metadata: Metadata;
  readonly #calls = new Set<{ cancel(): void }>();

  constructor(address: BridgeAddress, credentials: BridgeCredentials) {
    this.#address = address;
    this.#client = new Client(address.target, channelCredentials(address.tls), channelOptions);
    this.#metadata = new Metadata();
    this.#metadata.set('authorization', `Bearer ${credentials.apiKey}`);
    this.#metadata.set(organisationMetadata, credentials.organisation);
  }

  openSync(handlers: BridgeStreamHandlers<SyncResponseMessage>): BridgeStream<SyncRequestMessage> {
    return this.#open('Sync', handlers);
  }

  openAnalytics(
    handlers: BridgeStreamHandlers<ReportAnalyticsResponseMessage>,
  ): BridgeStream<ReportAnalyticsRequestMessage> {
    return this.#open('ReportAnalytics', handlers);
  }

  async getKeys(names: readonly string[]): Promise<readonly StoredKeyMessage[]> {
    const found = new Map<string, StoredKeyMessage>();
    // Each name once, and those for which an answer had no room again, until all are there.
    for (let missing = [...new Set(names)]; missing.length > 0; ) {
      const answers = await this.#askForKeys(missing);
      const deferred: string[] = [];
      for (const [index, answer] of answers.entries()) {
        const name = missing[index] as string;
        if (answer.deferred === true) deferred.push(name);
        else found.set(name, answer);
      }
      if (deferred.length === missing.length) {
        throw new CausewayError('FRAME_INVALID', 'GetKeys: the hub deferred every name');
      }
      missing = deferred;
    }
    return names.map((name) => found.get(name) as StoredKeyMessage);
  }

  #askForKeys(names: readonly string[]): Promise<readonly StoredKeyMessage[]> {
    const { path, requestSerialize, responseDeserialize } = method<
      { names: readonly string[]; partial: boolean },
      { keys: StoredKeyMessage[] }
    >('GetKeys');
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { names, partial: true },
        this.#metadata,
        (error, answer) => {
          clearTimeout(late);
          this.#calls.delete(call);
          if (error !== null) reject(this.#explain(error));
          else if (answer?.keys.length !== names.length) {
            reject(new CausewayError('FRAME_INVALID', 'GetKeys: the hub did not answer every name'));
          } else resolve(answer.keys);
        },
      );
      // Not a deadline of the library: those are wall time.
      const late = setTimeout(() => call.cancel(), getKeysTimeoutMs).unref();
      this.#calls.add(call);
    });
  }

  close(): void {
    // Closing the channel alone would let running calls go on.
    for (const call of [...this.#calls]) call.cancel();
    this.#client.close();
  }

  #open<Request, Response>(name: string, handlers: BridgeStreamHandlers<Response>): BridgeStream<Request> {
    const { path, requestSerialize, responseDeserialize } = method<Request, Response>(name);
    const call: ClientDuplexStream<Request, Response> = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#metadata,
    );
    this.#calls.add(call);
    let ended = false;
    const finish = (error: CausewayError | undefined): void => {
      if (ended) return;
      ended = true;
      this.#calls.delete(call);
      handlers.ended(error);
    };
    call.on('data', (message: Response) => {
      if (!ended) handlers.message(message);
    });
    call.on('error', (error: ServiceError) => finish(this.#explain(error)));
    call.on('end', () => finish(undefined));
    call.on('close', () => finish(undefined));
    return {
      send: (message) => {
        if (!ended) call.write(message);
      },
      pause: () => void call.pause(),
      resume: () => void call.resume(),
      end: () => {
        if (!ended) call.end();
      },
    };
  }

  #explain(error: ServiceError): CausewayError {
    const code = codeOfStatus[error.code];
    if (code === 'HUB_UNREACHABLE') {
      const { target } = this.#address;
      return new CausewayError(code, `the hub at ${target} does not answer: ${readable(error.details)}`, {
        cause: error,
      });
    }
    return new CausewayError(code ?? 'INTERNAL', error.details, { cause: error });
  }
}

/** Without what the library says around the reason. */
function readable(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/ ?Resolution note:.*$/s, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)/, '')
    .replace(/\.$/, '');
}

/** The statuses of the contract; whatever else goes wrong between worker and hub is worth another attempt. */
const codeOfStatus: Partial<Record<status, ErrorCode>> = {
  [status.UNAUTHENTICATED]: 'API_KEY_REFUSED',
  [status.PERMISSION_DENIED]: 'ORGANISATION_REFUSED',
  [status.RESOURCE_EXHAUSTED]: 'LOGIN_RATE_LIMITED',
  [status.ABORTED]: 'SESSION_REPLACED',
  [status.INVALID_ARGUMENT]: 'REQUEST_INVALID',
  [status.UNIMPLEMENTED]: 'REQUEST_INVALID',
  [status.NOT_FOUND]: 'NOT_FOUND',
  [status.UNAVAILABLE]: 'HUB_UNREACHABLE',
  [status.CANCELLED]: 'HUB_UNREACHABLE',
  [status.DEADLINE_EXCEEDED]: 'HUB_UNREACHABLE',
  [status.UNKNOWN]: 'HUB_UNREACHABLE',
};

function method<Request, Response>(name: string): MethodDefinition<Request, Response> {
  const found = bridgeService[name];
  if (found === undefined) throw new Error(`the contract has no method ${name}`);
  return found as MethodDefinition<Request, Response>;
}

function channelCredentials(tls: BridgeTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  if (tls.pinned !== undefined && !tls.insecure) {
    const { secureContext, checkServerIdentity } = pinnedTrust(tls.pinned);
    return ChannelCredentials.createFromSecureContext(secureContext, { checkServerIdentity });
  }
  const verify = tls.insecure ? { rejectUnauthorized: false, checkServerIdentity: () => undefined } : {};
  return ChannelCredentials.createSsl(tls.ca ?? null, null, null, verify);
}
