import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { limits } from '../../domain/limits.js';
import { plainAddress } from '../../domain/network-source.js';
import { CausewayError, describeError, toCausewayError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Component } from '../../ports/component.js';
import type { Log } from '../../ports/log.js';
import type { Metrics } from '../../ports/metrics.js';
import type { AdminOperations } from './admin-operations.js';
import { addAdminRoutes } from './admin-routes.js';
import { AdministrativeGuard, guardHeader } from './administrative-guard.js';
import { sendError } from './error-reply.js';
import { HttpConnections } from './http-connections.js';
import { refuseOtherMethods } from './method-not-allowed.js';
import { addProbeRoutes, addSecureRoutes } from './operator-routes.js';
import type { OperatorViews } from './operator-views.js';
import { Profiler } from './profiler.js';
import { addProfilerRoutes } from './profiler-routes.js';
import { ReadinessCache } from './readiness-cache.js';

export interface HttpServerOptions {
  /** The option `http_port`. 0: any free port, see `address()`. */
  readonly port: number;
  /** Default: every address of the machine. */
  readonly host?: string | undefined;
  /** With `http_server_options.use_ssl`. */
  readonly tls?: TlsTerms | undefined;
  /** The option `security.enable_http_secure_endpoints`. Off: no guarded path exists, administration included. */
  readonly secureEndpoints: boolean;
  /** The option `security.secret`. Secret; empty: guarded paths refuse everybody. */
  readonly secret: string;
  /** The option `causeway.failed_logins_per_minute`. */
  readonly failedLoginsPerMinuteMax: number;
  /** What the descriptors of the process leave for this port. Default: the limit `httpConnectionsMax`. */
  readonly connectionsMax?: number;
  /** The option `enable_http_profiler`. */
  readonly profiler: boolean;
  /** The option `healthcheck.cache_renewal_period`. */
  readonly readinessRenewalSeconds: number;
}

/** Certificates for the port, current at each call. */
export interface TlsTerms {
  secureContext(serverName?: string): SecureContext;
  serverOptions(): SecureContextOptions;
  /** Returns the way to unsubscribe. */
  onReload(listener: () => void): () => void;
}

/** Longest path part: a key name with every byte escaped. */
const pathPartCharactersMax = 4_096;
const bodyBytesMax = 1024 * 1024;
/** Longer than the longest profile takes: a connection on which nothing moves for so long is dead. */
const silenceMaxMs = 330_000;
/** A connection that sends nothing, or its request byte by byte, is looked for this often. */
const patience = {
  headersTimeout: limits.httpHeadTimeoutMs,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
};
/** By then a host that failed too often may try again. */
const retryAfterSeconds = 60;

/** The HTTP port: probes, metrics, what operators look at, and the routes that the CLI uses. */
export class HttpServer implements Component {
  readonly name = 'http-port';
  readonly #options: HttpServerOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #readiness: ReadinessCache;
  readonly #server: Server;
  readonly #http: FastifyInstance;
  readonly #profiler: Profiler | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(
    options: HttpServerOptions,
    dependencies: {
      readonly log: Log;
      readonly clock: Clock;
      readonly metrics: Metrics;
      readonly views: OperatorViews;
      readonly operations: AdminOperations;
    },
  ) {
    const { clock, views, operations } = dependencies;
    const log = dependencies.log.child({ component: this.name });
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    this.#readiness = new ReadinessCache(() => views.readiness(), options.readinessRenewalSeconds * 1_000, {
      clock,
      log,
      metrics: dependencies.metrics,
    });
    this.#profiler = options.profiler ? new Profiler(clock) : undefined;
    const connections = new HttpConnections(options.connectionsMax ?? limits.httpConnectionsMax, {
      ...dependencies,
      log,
    });
    let handle: RequestListener = () => {};
    this.#server = openServer(options.tls, (request, response) => handle(request, response));
    connections.watch(this.#server);
    this.#http = fastify({
      serverFactory: (handler) => {
        handle = handler;
        return this.#server;
      },
      bodyLimit: bodyBytesMax,
      routerOptions: { maxParamLength: pathPartCharactersMax, ignoreTrailingSlash: true },
    });
    this.#addHooks();
    refuseOtherMethods(this.#http);
    addProbeRoutes(this.#http, this.#readiness, views);
    if (this.#profiler !== undefined) addProfilerRoutes(this.#http, this.#profiler);
    if (options.secureEndpoints)
      this.#addGuarded(dependencies, (http, guard) => {
        addSecureRoutes(http, views);
        http.register(
          async (administration) => {
            administration.addHook('onRequest', async () => guard.admitAdministration());
            refuseOtherMethods(administration);
            addAdminRoutes(administration, operations);
          },
          { prefix: '/causeway/v1' },
        );
      });
  }

  /** Reads readiness once, then listens. Rejects with PORT_BUSY. */
  async start(): Promise<void> {
    const { port, host, tls } = this.#options;
    await this.#profiler?.start();
    await this.#readiness.renew();
    if (tls !== undefined) {
      this.#renewCertificate(tls);
      this.#unsubscribe = tls.onReload(() => this.#renewCertificate(tls));
    }
    await this.#http.ready();
    await this.#listen().catch((thrown: unknown) => {
      this.#letGo();
      throw portError(thrown as NodeJS.ErrnoException, `${host ?? '*'}:${port}`);
    });
    this.#log.info('HTTP port open', { ...this.address(), tls: tls !== undefined });
  }

  /** Readiness fails from now on, so that balancers look elsewhere while open work is finished. */
  beginDraining(): void {
    this.#readiness.beginDraining();
  }

  get isReady(): boolean {
    return this.#readiness.passes;
  }

  /** Renews readiness now instead of at the end of its period, for a component that just came up. */
  renewReadiness(): Promise<void> {
    return this.#readiness.renew();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.beginDraining();
    this.#profiler?.finish();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), resolve);
    });
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.race([closed, late]);
    timer?.cancel();
    this.#server.closeAllConnections();
    await closed;
    await this.#http.close();
    this.#letGo();
  }

  notReady(): string | undefined {
    return this.#server.listening ? undefined : 'the HTTP port is not open';
  }

  /** Where it listens, once started. */
  address(): { readonly address: string; readonly port: number } {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the HTTP port is not open');
    return { address: bound.address, port: bound.port };
  }

  /** Not Fastify's own `listen`: without a host Node falls back to IPv4 where there is no IPv6. */
  #listen(): Promise<void> {
    const { port, host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(host === undefined ? { port } : { port, host }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  #letGo(): void {
    this.#readiness.stop();
    this.#unsubscribe?.();
    this.#profiler?.stop();
  }

  #renewCertificate(tls: TlsTerms): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(tls.serverOptions());
  }

  #addHooks(): void {
    const http = this.#http;
    // Bodies are kept as bytes: what is stored passes through unparsed.
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    http.addHook('onRequest', async (_, reply) => {
      reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    });
    // Without it an answered connection would idle on, and the stop wait for it.
    http.addHook('onSend', async (_, reply) => {
      if (!this.#server.listening) reply.header('connection', 'close');
    });
    // The route, not the path: a path may hold the name of a key.
    http.addHook('onResponse', async (request, reply) => {
      this.#log.debug('HTTP request', {
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
      });
    });
    http.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'not found', code: 'NOT_FOUND' }));
    http.setErrorHandler((thrown, _, reply) => sendError(reply, thrown, this.#log));
  }

  /** One guard, and with it one count of failures, for every path that is not for everybody. */
  #addGuarded(
    ports: { readonly clock: Clock; readonly metrics: Metrics },
    addRoutes: (http: FastifyInstance, guard: AdministrativeGuard) => void,
  ): void {
    const { secret, failedLoginsPerMinuteMax: failuresPerMinuteMax } = this.#options;
    const guard = new AdministrativeGuard({ secret, failuresPerMinuteMax }, { ...ports, log: this.#log });
    this.#http.register(async (http) => {
      http.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
        try {
          guard.admit(request.headers[guardHeader], plainAddress(request.socket.remoteAddress));
          return undefined;
        } catch (thrown) {
          const error = toCausewayError(thrown);
          // As the field answers it, without a code.
          if (error.code === 'API_KEY_REFUSED') return reply.code(401).send({ error: error.message });
          reply.header('retry-after', String(retryAfterSeconds));
          throw error;
        }
      });
      refuseOtherMethods(http);
      addRoutes(http, guard);
    });
  }
}

/** The first certificate comes with `start`: whoever loads the files has been started by then. */
function openServer(tls: TlsTerms | undefined, listener: RequestListener): Server {
  const server =
    tls === undefined
      ? createServer(patience, listener)
      : createTlsServer(
          {
            SNICallback: (serverName, answer) => answer(null, tls.secureContext(serverName)),
            handshakeTimeout: limits.httpHeadTimeoutMs,
            ...patience,
          },
          listener,
        );
  server.maxHeadersCount = limits.httpHeadersMax;
  server.timeout = silenceMaxMs;
  return server;
}

function portError(thrown: NodeJS.ErrnoException, address: string): CausewayError {
  const reason =
    thrown.code === 'EADDRINUSE'
      ? 'is in use'
      : thrown.code === 'EACCES'
        ? 'may not be bound by this user'
        : `cannot be bound (${thrown.code ?? describeError(thrown)})`;
  return new CausewayError('PORT_BUSY', `http_port: the address ${address} ${reason}`, { cause: thrown });
}
