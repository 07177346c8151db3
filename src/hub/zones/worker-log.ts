import type { WorkerNode } from '../../domain/worker.js';
import type { Clock } from '../../ports/clock.js';
import type { Log, LogFields } from '../../ports/log.js';
import { TokenBucket } from '../../std/token-bucket.js';

/** A fleet that comes back at once is a burst; afterwards lines are rationed. */
const linesBurst = 200;
const linesPerMinute = 120;

/**
 * Who comes, who goes and who is turned away, a line each: what an operator looks for first when a data center is
 * silent. Rationed: a crowd must not fill the disk, and how many lines were left out is said in the next one.
 */
export class WorkerLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lines: TokenBucket;
  #leftOut = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
    this.#lines = new TokenBucket(
      { capacity: linesBurst, tokensPerMinute: linesPerMinute },
      clock.monotonicMs(),
    );
  }

  joined(worker: WorkerNode): void {
    this.#say('info', 'a worker logged in', fieldsOf(worker));
  }

  left(worker: WorkerNode, reason: 'goodbye' | 'silent'): void {
    this.#say('info', 'a worker left', { ...fieldsOf(worker), reason });
  }

  /** Two processes that tell of themselves in turn: each replaces the other, and both are shown as one. */
  sharesItsName(worker: WorkerNode, other: WorkerNode['host']): void {
    this.#say('warn', 'two workers claim one node id; give each its own', {
      ...fieldsOf(worker),
      other: `${other.hostname} ${other.pid}`,
    });
  }

  #say(level: 'info' | 'warn', message: string, fields: LogFields): void {
    if (!this.#lines.take(this.#clock.monotonicMs())) {
      this.#leftOut += 1;
      return;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#log[level](message, leftOut === 0 ? fields : { ...fields, linesLeftOut: leftOut });
  }
}

function fieldsOf(worker: WorkerNode): LogFields {
  const { organisation, zone, node, version, protocol, apiKeyShown, host, peer, tags } = worker;
  return {
    ...{ organisation, zone, node, version, wire: protocol, address: peer ?? host.address },
    ...{ hostname: host.hostname, pid: host.pid, key: apiKeyShown, tags: tags.join(',') },
  };
}
