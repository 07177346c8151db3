import { describe, expect, it } from 'vitest';
import { nodeId, zoneId } from '../../../src/domain/identifiers.js';
import { viewKeyOf } from '../../../src/domain/view.js';
import { epochOf, startPosition } from '../../../src/hub/fanout/start-position.js';
import { acme } from './fanout-fixture.js';

const scope = { organisation: acme, segmented: true, tags: ['eu'], owner: undefined };
const view = viewKeyOf(scope);
const otherView = viewKeyOf({ ...scope, tags: ['us'] });
const owner = { organisation: acme, zone: zoneId('eu'), node: nodeId('n') };

describe('startPosition', () => {
  // The log holds 11 to 20.
  const bounds = { oldest: 11, newest: 20 };
  const at = (sequence: number, epoch = epochOf('log', view)) => ({ epoch, sequence });
  it.each([
    ['a first start', undefined, undefined, 'first-sync', 20],
    ['a first start of a known node', undefined, 15, 'first-sync', 15],
    ['a first start of a node known long ago', undefined, 5, 'first-sync', 20],
    ['a first start of a node known to another log', undefined, 99, 'first-sync', 20],
    ['level', at(20), undefined, undefined, 20],
    ['behind', at(15), undefined, undefined, 15],
    ['behind what the hub believes', at(15), 18, undefined, 15],
    ['at the edge of the log', at(10), undefined, undefined, 10],
    ['just over the edge', at(9), undefined, 'fell-behind', 20],
    ['never anything', at(0), undefined, 'fell-behind', 20],
    ['ahead of the log', at(21), undefined, 'epoch-changed', 20],
    ['another log', at(15, epochOf('old', view)), 15, 'epoch-changed', 20],
    ['no epoch', at(15, ''), undefined, 'epoch-changed', 20],
    ['an epoch without a view', at(15, 'log'), undefined, 'epoch-changed', 20],
    ['other tags', at(15, epochOf('log', otherView)), undefined, 'view-changed', 15],
    ['other tags and too far behind', at(9, epochOf('log', otherView)), undefined, 'fell-behind', 20],
  ] as const)('%s', (_name, cursor, confirmed, reason, sequence) => {
    const known = confirmed === undefined ? undefined : { ...owner, sequence: confirmed, atMs: 0 };
    expect(startPosition({ cursor, scope }, 'log', view, bounds, known)).toEqual({
      mode: reason === undefined ? 'resume' : 'snapshot',
      reason,
      sequence,
      definitionsThrough: reason === undefined ? 0 : 20,
    });
  });

  it('resumes in an empty log', () => {
    const empty = { oldest: 1, newest: 0 };
    expect(startPosition({ cursor: at(0), scope }, 'log', view, empty, undefined).mode).toBe('resume');
  });

  it('takes a log whose name holds dots', () => {
    const cursor = at(15, epochOf('redis.1.2', view));
    expect(startPosition({ cursor, scope }, 'redis.1.2', view, bounds, undefined).mode).toBe('resume');
    expect(startPosition({ cursor, scope }, 'redis', view, bounds, undefined).reason).toBe('epoch-changed');
  });
});
