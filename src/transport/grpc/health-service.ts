import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';

export type ServingStatus = 'SERVING' | 'NOT_SERVING';

interface HealthRequest {
  readonly service: string;
}

interface HealthAnswer {
  readonly status: ServingStatus | 'SERVICE_UNKNOWN';
}

type Watcher = ServerWritableStream<HealthRequest, HealthAnswer>;

/**
 * `grpc.health.v1`, for whoever asks. The library's own remembers every name that was ever watched, and names
 * are a stranger's to choose; this one knows the names it was given and no others.
 */
export class HealthService {
  readonly #statuses: Map<string, ServingStatus>;
  readonly #watchers = new Map<string, Set<Watcher>>();

  constructor(names: readonly string[]) {
    this.#statuses = new Map(names.map((name) => [name, 'NOT_SERVING']));
    for (const name of names) this.#watchers.set(name, new Set());
  }

  /** Of everything. */
  setStatus(serving: ServingStatus): void {
    for (const [name, before] of this.#statuses) {
      this.#statuses.set(name, serving);
      if (before === serving) continue;
      for (const watcher of this.#watchers.get(name) ?? []) watcher.write({ status: serving });
    }
  }

  addToServer(server: Server): void {
    server.addService(service, {
      check: (call: ServerUnaryCall<HealthRequest, HealthAnswer>, answer: sendUnaryData<HealthAnswer>) => {
        const known = this.#statuses.get(call.request.service);
        if (known !== undefined) answer(null, { status: known });
        else answer({ code: status.NOT_FOUND, details: 'no service of that name' });
      },
      watch: (call: Watcher) => {
        const name = call.request.service;
        const watchers = this.#watchers.get(name);
        watchers?.add(call);
        call.on('cancelled', () => watchers?.delete(call));
        call.on('close', () => watchers?.delete(call));
        call.write({ status: this.#statuses.get(name) ?? 'SERVICE_UNKNOWN' });
      },
      list: (_: unknown, answer: sendUnaryData<{ statuses: Record<string, HealthAnswer> }>) => {
        const statuses = [...this.#statuses].map(([name, known]) => [name, { status: known }] as const);
        answer(null, { statuses: Object.fromEntries(statuses) });
      },
    });
  }
}
