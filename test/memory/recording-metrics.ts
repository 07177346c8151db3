import { type MetricLabels, type MetricName, type Metrics, metricTable } from '../../src/ports/metrics.js';

/** Metrics that a test can read back: counters and gauges as sums, histograms as observations. */
export class RecordingMetrics implements Metrics {
  readonly #values = new Map<MetricName, Map<string, number>>();
  readonly #observations = new Map<MetricName, Map<string, number[]>>();

  add<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, amount = 1): void {
    const series = seriesOf(this.#values, name);
    const key = labelKey(name, labels);
    series.set(key, (series.get(key) ?? 0) + amount);
  }

  set<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void {
    seriesOf(this.#values, name).set(labelKey(name, labels), value);
  }

  observe<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void {
    const series = seriesOf(this.#observations, name);
    const key = labelKey(name, labels);
    series.set(key, [...(series.get(key) ?? []), value]);
  }

  reset(name: MetricName): void {
    this.#values.delete(name);
    this.#observations.delete(name);
  }

  /** The value of one series; 0 when it was never touched. */
  value<Name extends MetricName>(name: Name, labels: MetricLabels<Name>): number {
    return this.#values.get(name)?.get(labelKey(name, labels)) ?? 0;
  }

  /** The sum over all label values. */
  total(name: MetricName): number {
    return [...(this.#values.get(name)?.values() ?? [])].reduce((sum, value) => sum + value, 0);
  }

  observations<Name extends MetricName>(name: Name, labels: MetricLabels<Name>): readonly number[] {
    return this.#observations.get(name)?.get(labelKey(name, labels)) ?? [];
  }
}

export function recordingMetrics(): RecordingMetrics {
  return new RecordingMetrics();
}

/** Refuses what a real registry refuses: a missing label or one that the table does not have. */
function labelKey(name: MetricName, labels: Readonly<Record<string, string>>): string {
  const expected: readonly string[] = metricTable[name].labels;
  const given = Object.keys(labels);
  if (given.length !== expected.length || expected.some((label) => labels[label] === undefined)) {
    throw new Error(`metric ${name} takes the labels [${expected.join(', ')}], got [${given.join(', ')}]`);
  }
  return expected.map((label) => `${label}=${labels[label]}`).join(',');
}

function seriesOf<Value>(all: Map<MetricName, Map<string, Value>>, name: MetricName): Map<string, Value> {
  const found = all.get(name);
  if (found !== undefined) return found;
  const made = new Map<string, Value>();
  all.set(name, made);
  return made;
}
