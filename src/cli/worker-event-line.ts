import type { WorkerEvent } from '../worker/worker-event.js';
import type { Paint } from './paint.js';

/** What of a key may be seen: hashes in full, the end of a raw key. */
export function shownKey(key: string, hashed: boolean, showAll: boolean): string {
  if (hashed || showAll || key === '') return key;
  return `****${key.length > 8 ? key.slice(-4) : ''}`;
}

/** One event as one JSON object: names with underscores, time and latency in front. */
export function eventJson(event: WorkerEvent, nowMs: number, showAll: boolean): Record<string, unknown> {
  const shown = 'key' in event ? { ...event, key: shownKey(event.key, event.hashed, showAll) } : event;
  const fields = Object.entries(shown)
    .filter(([name, value]) => name !== 'type' && value !== undefined)
    .map(([name, value]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]);
  const latency = latencyMs(event, nowMs);
  return {
    time: new Date(nowMs).toISOString(),
    type: event.type,
    ...Object.fromEntries(fields),
    ...(latency === undefined ? {} : { latency_ms: latency }),
  };
}

/** One event as a line for people; undefined: not worth one. */
export function eventLine(
  event: WorkerEvent,
  nowMs: number,
  paint: Paint,
  showAll: boolean,
): string | undefined {
  const text = describe(event, paint, showAll);
  if (text === undefined) return undefined;
  const [what, ...rest] = text;
  const latency = latencyMs(event, nowMs);
  const time = new Date(nowMs).toISOString().slice(11, 23);
  const parts = [paint.dim(time), what, ...rest, latency === undefined ? '' : paint.dim(`${latency} ms`)];
  return parts.filter((part) => part !== '').join('  ');
}

function describe(event: WorkerEvent, paint: Paint, showAll: boolean): readonly string[] | undefined {
  switch (event.type) {
    case 'welcome': {
      const start = event.mode === 'resume' ? `goes on after ${event.sequence}` : `snapshot: ${event.reason}`;
      const hub = `${event.hub} (causeway ${event.hubVersion}), ${event.codec}`;
      return [paint.green(word('connected')), `${hub}, ${start}, ${event.viewDefinitions} definitions`];
    }
    case 'put':
      return [
        paint.cyan(word('put')),
        `${event.kind} ${event.id}`,
        place(event.sequence),
        `${event.bytes} bytes`,
      ];
    case 'removed':
      return [paint.yellow(word('removed')), `${event.kind} ${event.id}`, place(event.sequence)];
    case 'key': {
      const key = shownKey(event.key, event.hashed, showAll);
      const colour = event.outcome === 'dropped' ? paint.yellow : paint.cyan;
      return [colour(word('key')), `${event.event} ${key}`, place(event.sequence), event.outcome];
    }
    case 'revocation':
      return [paint.yellow(word('revoked')), `${event.event} ${shownKey(event.key, event.hashed, showAll)}`];
    case 'snapshot-complete': {
      const { received, unchanged, removed } = event;
      return [paint.green(word('snapshot')), `received ${received}, kept ${unchanged}, dropped ${removed}`];
    }
    case 'level':
      return [paint.green(word('level')), `at ${event.sequence}, ${event.definitions} definitions held`];
    case 'acknowledged':
      return undefined;
    case 'apply-failed':
      return [paint.red(word('failed')), place(event.sequence), event.message];
    case 'goodbye':
      return [paint.yellow(word('goodbye')), event.reason];
    case 'disconnected':
      return [
        paint.yellow(word('away')),
        `${event.message}; going on from the local copy, next attempt in ${(event.retryInMs / 1000).toFixed(1)} s`,
      ];
    case 'refused':
      return [paint.red(word('refused')), `${event.message}; trying again now and then`];
    case 'report': {
      const { status, accepted, dropped, message } = event;
      const detail = status === 'accepted' ? `${accepted} taken, ${dropped} left out` : message;
      return [word('report'), `batch ${event.batchId} ${status}`, detail];
    }
  }
}

function word(text: string): string {
  return text.padEnd(9);
}

function place(sequence: number | undefined): string {
  return sequence === undefined ? 'snapshot' : `#${sequence}`;
}

function latencyMs(event: WorkerEvent, nowMs: number): number | undefined {
  if (!('atMs' in event) || event.atMs === undefined) return undefined;
  return Math.max(0, nowMs - event.atMs);
}
