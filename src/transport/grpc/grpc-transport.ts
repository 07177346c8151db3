import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { limits } from '../../domain/limits.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { UnsentAnswers } from '../../hub/shares/unsent-answers.js';
import { LoginRefusals } from '../../hub/zones/login-refusals.js';
import type { Clock } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { BridgeHub } from './bridge-hub.js';
import { CallGate } from './call-gate.js';
import { hubService, reflectedDefinition } from './contract.js';
import { getKeys } from './get-keys-call.js';
import { toGrpcError } from './grpc-status.js';
import { type GrpcPeer, Guests } from './guests.js';
import { HealthService } from './health-service.js';
import { reportAnalytics } from './report-analytics-call.js';
import { SyncCall } from './sync-call.js';

const serviceName = 'causeway.v1.Bridge';
/** HTTP/2 connection preface. */
const preface = Buffer.from('PRI * HTTP/2');

export interface GrpcTransportParts {
  readonly hub: BridgeHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Shared with other wires; default: one of its own. */
  readonly unsent?: UnsentAnswers;
  /** Shared with the other wire; default: one of its own. */
  readonly refusals?: LoginRefusals;
}

/** gRPC over sockets that the listener has accepted: TLS, if any, is already off. */
export class GrpcTransport implements Component {
  readonly name = 'grpc';
  readonly protocol = 'grpc';
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #health = new HealthService(['', serviceName]);
  readonly #draining = new AbortController();
  readonly #guests = new Guests();
  readonly #injector: ReturnType<Server['createConnectionInjector']>;

  constructor(parts: GrpcTransportParts) {
    setMaxListeners(0, this.#draining.signal);
    this.#clock = parts.clock;
    const refusals = parts.refusals ?? new LoginRefusals(parts);
    // The hub itself in all but this: a login is noted with its connection.
    const hub = Object.assign(Object.create(parts.hub) as BridgeHub, {
      login: (request: Parameters<BridgeHub['login']>[0]) => {
        const identity = login(parts.hub, refusals, request);
        this.#guests.loggedIn(request.address, request.port);
        return identity;
      },
    });
    const unsent = parts.unsent ?? new UnsentAnswers(parts);
    const gate = new CallGate({ ...parts, hub, unsent });
    this.#server = new Server({
      interceptors: [this.#guests.interceptor, gate.interceptor],
      // Nobody reads what it would count, and it costs every call.
      'grpc.enable_channelz': 0,
      // Each call has its bound before it, see MessageIntake.
      'grpc.max_receive_message_length': limits.workerMessageBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': limits.strangerCallsPerConnectionMax,
      // Connections without a call: a worker that still wants something opens another.
      'grpc.max_connection_idle_ms': limits.grpcIdleMaxMs,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 20_000,
    });
    this.#server.addService(hubService(), handlersOf({ ...parts, hub }, gate, this.#draining.signal));
    this.#health.addToServer(this.#server);
    new ReflectionService(reflectedDefinition).addToServer(this.#server);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  async start(): Promise<void> {
    this.setServing(true);
  }

  /** Called first when draining begins, so that probes turn away before streams do. */
  setServing(serving: boolean): void {
    this.#health.setStatus(serving ? 'SERVING' : 'NOT_SERVING');
  }

  async stop(deadlineMs: number): Promise<void> {
    this.setServing(false);
    this.#draining.abort();
    const finished = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const late = new Promise<void>((resolve) => {
      this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), resolve);
    });
    await Promise.race([finished, late]);
    this.#injector.destroy();
    this.#server.forceShutdown();
  }

  notReady(): string | undefined {
    return undefined;
  }

  matches(head: Buffer): 'yes' | 'no' | 'need-more' {
    const length = Math.min(head.length, preface.length);
    if (!head.subarray(0, length).equals(preface.subarray(0, length))) return 'no';
    return head.length < preface.length ? 'need-more' : 'yes';
  }

  /** A worker that loses its right loses its streams, and a connection without one ends. */
  accept(socket: Duplex, peer: GrpcPeer): void {
    this.#guests.enter(socket, peer);
    this.#injector.injectConnection(socket);
  }
}

function handlersOf(
  { hub, clock, log, metrics }: GrpcTransportParts,
  gate: CallGate,
  draining: AbortSignal,
): UntypedServiceImplementation {
  const sync: handleBidiStreamingCall<Buffer, Buffer> = (stream) => {
    SyncCall.open(hub, stream, clock, gate.admissionOf(stream));
  };
  const keys: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const startedMs = clock.monotonicMs();
    getKeys(hub, call.request, gate.admissionOf(call)).then(
      (answer) => {
        measure('ok', startedMs);
        callback(null, answer);
      },
      (thrown: unknown) => {
        measure('error', startedMs);
        const error = toGrpcError(thrown);
        log.debug('GetKeys failed', { status: error.code, reason: error.details });
        callback(error);
      },
    );
  };
  const measure = (result: string, startedMs: number) => {
    metrics.add('causeway_calls_total', { protocol: 'grpc', method: 'GetKeys', result });
    const seconds = (clock.monotonicMs() - startedMs) / 1000;
    metrics.observe('causeway_call_duration_seconds', { protocol: 'grpc' }, seconds);
  };
  const analytics: handleBidiStreamingCall<Buffer, Buffer> = (stream) => {
    void reportAnalytics(hub, stream, gate.admissionOf(stream), metrics, draining);
  };
  return { Sync: sync, GetKeys: keys, ReportAnalytics: analytics };
}

/** As the hub, with a line in the log for whom it turns away. */
function login(hub: BridgeHub, refusals: LoginRefusals, request: Parameters<BridgeHub['login']>[0]) {
  try {
    return hub.login(request);
  } catch (thrown) {
    // Nobody is turned away by a hub that does not know its users yet.
    if (thrown instanceof CausewayError && thrown.code !== 'CATALOG_NOT_READY') {
      const { address, organisation, apiKey } = request;
      const { code } = thrown;
      const key = hub.obfuscate(apiKey ?? '');
      refusals.tell({ wire: 'grpc', address, organisation, code, reason: describeError(thrown), key });
    }
    throw thrown;
  }
}
