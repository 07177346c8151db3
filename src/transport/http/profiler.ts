import { Session } from 'node:inspector/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Clock, Timer } from '../../ports/clock.js';
import { encodePprof, type PprofProfile } from './pprof-encoding.js';
import { fromCpuProfile, fromHeapProfile } from './profile-conversion.js';

const compress = promisify(gzip);
const cpuIntervalMicroseconds = 1_000;
const heapIntervalBytes = 512 * 1024;

/** Profiles of this process in the form that `go tool pprof` and its friends open. */
export class Profiler {
  readonly #clock: Clock;
  readonly #session = new Session();
  #profiling = false;
  #endEarly: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Heap sampling runs from now on: only what is allocated under it can be attributed. */
  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('HeapProfiler.startSampling', { samplingInterval: heapIntervalBytes });
  }

  /** A CPU profile that is being taken ends now and is answered. */
  finish(): void {
    this.#endEarly?.();
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Resolves after `durationMs`. Rejects with LIMIT_EXCEEDED while another one is being taken. */
  async cpuProfile(durationMs: number): Promise<Buffer> {
    if (this.#profiling) {
      throw new CausewayError('LIMIT_EXCEEDED', 'a CPU profile is being taken already');
    }
    this.#profiling = true;
    try {
      const startedAtMs = this.#clock.nowMs();
      await this.#session.post('Profiler.enable');
      await this.#session.post('Profiler.setSamplingInterval', { interval: cpuIntervalMicroseconds });
      await this.#session.post('Profiler.start');
      await this.#wait(durationMs);
      const { profile } = await this.#session.post('Profiler.stop');
      await this.#session.post('Profiler.disable');
      return await toFile(fromCpuProfile(profile, startedAtMs, cpuIntervalMicroseconds));
    } finally {
      this.#profiling = false;
    }
  }

  /** What has been allocated since the start and is still in use. */
  async heapProfile(): Promise<Buffer> {
    const { profile } = await this.#session.post('HeapProfiler.getSamplingProfile');
    return await toFile(fromHeapProfile(profile, this.#clock.nowMs(), heapIntervalBytes));
  }

  async #wait(durationMs: number): Promise<void> {
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      timer = this.#clock.after(durationMs, resolve);
      this.#endEarly = resolve;
    });
    timer?.cancel();
    this.#endEarly = undefined;
  }
}

function toFile(profile: PprofProfile): Promise<Buffer> {
  return compress(encodePprof(profile));
}
