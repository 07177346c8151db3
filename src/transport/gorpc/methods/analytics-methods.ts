import type { AggregateKind } from '../../../ports/analytics-spool.js';
import { readTextBytes } from '../arguments.js';
import { done } from '../error-answer.js';
import { type GorpcCall, type GorpcMethod, method } from '../gorpc-call.js';
import type { AnalyticsAnswer } from '../gorpc-hub.js';
import type { GorpcAnswer } from '../response-encoder.js';
import type { MethodContext } from './method-context.js';

/**
 * Analytics of gateways and pumps. Neither keeps a batch that was not taken, nor sends it again: it is
 * durable before it is answered, and an error is only for the sender's log.
 */
export function analyticsMethods(context: MethodContext): readonly GorpcMethod[] {
  const { hub } = context;
  // Pumps send these and nothing else.
  const ofPumps = { isOfGateways: false };
  const aggregates = (name: string, kind: AggregateKind) =>
    method(
      name,
      readTextBytes,
      async (call, payload) => {
        return toAnswer(await hub.acceptAggregate({ ...senderOf(call), kind, payload }));
      },
      ofPumps,
    );
  return [
    method(
      'PurgeAnalyticsData',
      readTextBytes,
      async (call, records) => {
        return toAnswer(await hub.acceptAnalytics({ ...senderOf(call), records }));
      },
      ofPumps,
    ),
    aggregates('PurgeAnalyticsDataAggregated', 'aggregate'),
    aggregates('PurgeAnalyticsDataMCPAggregated', 'mcp-aggregate'),
  ];
}

function senderOf({ login, session }: GorpcCall) {
  return { identity: login.identity, node: session.node?.node ?? session.fallbackNode };
}

function toAnswer({ status, error }: AnalyticsAnswer): GorpcAnswer {
  return status === 'accepted' ? done : { kind: 'error', text: error ?? 'the analytics were not taken' };
}
