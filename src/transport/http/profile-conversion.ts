import type { HeapProfiler, Profiler } from 'node:inspector';
import type { CallFrame, PprofProfile, PprofSample } from './pprof-encoding.js';

const nanosecondsPerMicrosecond = 1_000;

/** V8's CPU profile: a tree of frames and, per sample, the node that was running. */
export function fromCpuProfile(
  profile: Profiler.Profile,
  startedAtMs: number,
  intervalMicroseconds: number,
): PprofProfile {
  const stacks = new Map<number, readonly CallFrame[]>();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const [root] = profile.nodes;
  // An explicit stack: deep recursion in the profiled code must not become ours.
  const pending: [id: number, callers: readonly CallFrame[]][] = root === undefined ? [] : [[root.id, []]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [id, callers] = next;
    const node = nodes.get(id);
    if (node === undefined) continue;
    const stack = id === root?.id ? [] : [node.callFrame, ...callers];
    stacks.set(id, stack);
    for (const child of node.children ?? []) pending.push([child, stack]);
  }
  const totals = new Map<number, { count: number; microseconds: number }>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const total = totals.get(id) ?? { count: 0, microseconds: 0 };
    total.count += 1;
    total.microseconds += Math.max(0, profile.timeDeltas?.[index] ?? 0);
    totals.set(id, total);
  }
  const samples: PprofSample[] = [];
  for (const [id, { count, microseconds }] of totals) {
    const stack = stacks.get(id) ?? [];
    if (stack.length === 0 || stack[0]?.functionName === '(idle)') continue;
    samples.push({ stack, values: [count, microseconds * nanosecondsPerMicrosecond] });
  }
  return {
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
    ],
    samples,
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: intervalMicroseconds * nanosecondsPerMicrosecond,
    startedAtMs,
    durationMs: (profile.endTime - profile.startTime) / 1_000,
  };
}

/** V8's sampled heap: for each stack, the bytes allocated there that are still in use. */
export function fromHeapProfile(
  profile: HeapProfiler.SamplingHeapProfile,
  takenAtMs: number,
  intervalBytes: number,
): PprofProfile {
  const samples: PprofSample[] = [];
  const pending: [node: HeapProfiler.SamplingHeapProfileNode, stack: readonly CallFrame[]][] = [
    [profile.head, []],
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [node, stack] = next;
    if (node.selfSize > 0 && stack.length > 0) samples.push({ stack, values: [Math.round(node.selfSize)] });
    for (const child of node.children) pending.push([child, [child.callFrame, ...stack]]);
  }
  return {
    sampleTypes: [{ type: 'inuse_space', unit: 'bytes' }],
    samples,
    periodType: { type: 'space', unit: 'bytes' },
    period: intervalBytes,
    startedAtMs: takenAtMs,
    durationMs: 0,
  };
}
