import type { WorkerNode } from '../../domain/worker.js';

/** What the HTTP port shows of the running hub. The composition root fills it in. */
export interface OperatorViews {
  /** Asked once per renewal period, never by a probe. A rejection counts as a failed component `hub`. */
  readiness(): Promise<ReadinessReport>;
  readonly configuration: ConfigurationView;
  /** Workers by group; those without a group under `ungrouped`. */
  fleet(): ReadonlyMap<string, readonly WorkerNode[]>;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
}

export interface ReadinessReport {
  readonly components: readonly ComponentHealth[];
}

export interface ComponentHealth {
  readonly name: string;
  /** `warn`: workers are served, and somebody should look. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** Wall clock. */
  readonly observedAtMs: number;
  /** Why it does not pass, in one line without secrets. */
  readonly reason?: string | undefined;
}

/** The running configuration with its secrets already obfuscated. */
export interface ConfigurationView {
  /** Every option, in the shape of the file. */
  describe(): unknown;
  /** Undefined: there is no such option. */
  findField(path: string): DescribedOption | undefined;
  /** `NAME=value` texts. */
  listEnvironment(): readonly string[];
  findEnvironment(name: string): DescribedOption | undefined;
}

/** As the field spells it. */
export interface DescribedOption {
  readonly config_field: string;
  readonly env: string;
  readonly value: string;
  readonly obfuscated: boolean;
}
