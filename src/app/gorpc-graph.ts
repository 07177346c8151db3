import { randomBytes } from 'node:crypto';
import type { Configuration } from '../config/configuration.js';
import type { AnalyticsIntake } from '../hub/analytics/intake.js';
import { DefinitionCursors } from '../hub/distribution/definition-cursors.js';
import type { Distributor } from '../hub/distribution/distributor.js';
import { ReloadSignals } from '../hub/distribution/reload-signals.js';
import type { Fanout } from '../hub/fanout/fanout.js';
import { Counters } from '../hub/keyspace/counters.js';
import type { KeyReader } from '../hub/keyspace/key-reader.js';
import { KeySearch } from '../hub/keyspace/key-search.js';
import type { ApiOwners } from '../hub/keyspace/oauth-scope.js';
import { WorkerTokens } from '../hub/keyspace/worker-tokens.js';
import { ZoneFeeds } from '../hub/keyspace/zone-feeds.js';
import type { UnsentAnswers } from '../hub/shares/unsent-answers.js';
import type { Authenticator } from '../hub/zones/authenticator.js';
import type { Fleet } from '../hub/zones/fleet.js';
import { FullPushRequests } from '../hub/zones/full-push-requests.js';
import { GatewaySessions } from '../hub/zones/gateway-sessions.js';
import type { LoginRefusals } from '../hub/zones/login-refusals.js';
import type { AnnouncedWrites } from '../ports/announced-writes.js';
import type { ChangeLog } from '../ports/change-log.js';
import type { Clock } from '../ports/clock.js';
import type { Component } from '../ports/component.js';
import type { KeyStore } from '../ports/key-store.js';
import type { Log, Obfuscate } from '../ports/log.js';
import type { Metrics } from '../ports/metrics.js';
import type { ProgressWatch } from '../ports/progress.js';
import type { GorpcHub } from '../transport/gorpc/gorpc-hub.js';
import { GorpcTransport, type GorpcTransportOptions } from '../transport/gorpc/gorpc-transport.js';
import { DefinitionWatch } from './definition-watch.js';

export interface GorpcGraphParts {
  readonly configuration: Configuration;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly loops?: ProgressWatch | undefined;
  readonly obfuscate: Obfuscate;
  readonly stores: { readonly keyStore: KeyStore; readonly changeLog: ChangeLog };
  readonly writes: AnnouncedWrites;
  readonly authenticator: Authenticator;
  readonly fleet: Fleet;
  readonly distributor: Distributor;
  readonly fanout: Fanout;
  readonly keyReader: KeyReader;
  readonly intake: AnalyticsIntake;
  readonly ownerOf: GorpcHub['ownerOf'];
  readonly unsent: UnsentAnswers;
  readonly refusals: LoginRefusals;
  /** For tests, which cannot wait for what gateways are made to wait for. */
  readonly transportOptions?: Partial<GorpcTransportOptions> | undefined;
}

/** What serves unmodified gateways, beside what serves workers of every kind. */
export interface GorpcGraph {
  readonly sessions: GatewaySessions;
  readonly feeds: ZoneFeeds;
  readonly fullPushes: FullPushRequests;
  readonly transport: GorpcTransport;
  /** In the order of their start. */
  readonly components: readonly Component[];
}

export function buildGorpcGraph(parts: GorpcGraphParts): GorpcGraph {
  const { configuration, clock, log, metrics, stores, authenticator, distributor, keyReader, intake } = parts;
  const { changeLog, keyStore: store } = stores;
  const ports = { clock, log, metrics };
  const apiOwners: ApiOwners = (apiId) => distributor.ownersOfApi(apiId);
  const fullPushes = new FullPushRequests(clock);
  const sessions = new GatewaySessions(
    { authenticator, clock, metrics },
    {
      sessionTimeoutMs: configuration.sessionTimeoutSeconds * 1_000,
      refusedKeyHoldMs: configuration.invalidKeyCacheTtlSeconds * 1_000,
      hmacKey: randomBytes(32),
    },
  );
  const feeds = new ZoneFeeds({
    ...ports,
    changeLog,
    progress: parts.loops?.loop('zone-feeds'),
    onMissed: (organisation, zone) => fullPushes.request(organisation, zone, 'missed'),
  });
  const reloads = new ReloadSignals({
    clock,
    log,
    viewOf: (scope) => parts.fanout.viewOf(scope),
    cursors: new DefinitionCursors({ changeLog, clock }),
  });
  sessions.onForgotten(({ member }) => reloads.forget(member));
  const search = new KeySearch({ store, reader: keyReader, metrics });
  const counters = new Counters({ store, clock });
  const hub: GorpcHub = {
    sessions,
    feeds,
    reloads,
    tokens: new WorkerTokens(
      { store, writes: parts.writes, clock, reader: keyReader, apiOwners },
      { hashKeys: configuration.hashKeys },
    ),
    ownerOf: parts.ownerOf,
    readKey: (identity, name, options) => keyReader.readOne(identity, name, options),
    searchKeys: (identity, pattern) => search.search(identity, pattern),
    incrementCounter: (identity, name, ttlMs) => counters.increment(identity, name, ttlMs),
    addToWindow: (identity, name, windowMs) => counters.addToWindow(identity, name, windowMs),
    acceptAnalytics: (batch) => intake.accept(batch),
    acceptAggregate: ({ kind, payload, ...sender }) => intake.acceptAggregate(sender, kind, payload),
    obfuscate: parts.obfuscate,
    nodeSeen: (node) => parts.fleet.seen(node),
    nodeGone: (organisation, zone, node) => parts.fleet.gone(organisation, zone, node),
    fullPushWanted: (organisation, zone) => fullPushes.request(organisation, zone, 'worker'),
    revocationUnsaid: (organisation, zone) => fullPushes.request(organisation, zone, 'unsaid'),
  };
  const transport = new GorpcTransport({
    ...ports,
    hub,
    unsent: parts.unsent,
    refusals: parts.refusals,
    options: parts.transportOptions ?? {},
  });
  const watch = new DefinitionWatch(changeLog, distributor, reloads);
  return { sessions, feeds, fullPushes, transport, components: [sessions, feeds, watch, transport] };
}
