import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { limits } from '../domain/limits.js';
import {
  type MetricEntry,
  type MetricLabels,
  type MetricName,
  type Metrics,
  metricTable,
} from '../ports/metrics.js';
import { HistogramSeries } from './histogram-series.js';
import { LabelBound } from './label-bound.js';
import { MetricSeries } from './metric-series.js';

export interface PrometheusMetricsOptions {
  /** Process, heap, garbage collection and event-loop delay. Default: true. */
  readonly processMetrics?: boolean;
  /** Default: `limits.metricLabelValuesMax`. */
  readonly labelValuesMax?: number;
}

/** Of these the label value `other` shows the sum of what it stands for; of any other gauge the largest. */
const summedGauges: ReadonlySet<MetricName> = new Set([
  'causeway_workers',
  'causeway_catalog_definitions',
  'causeway_catalog_held_removals',
] as const);

const sum = (a: number, b: number): number => a + b;

/** The metrics of `metricTable` in a registry of their own. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #series = new Map<MetricName, MetricSeries>();
  readonly #histograms = new Map<MetricName, HistogramSeries>();
  readonly #bounds: ReadonlyMap<string, LabelBound>;

  constructor(options: PrometheusMetricsOptions = {}) {
    const valuesMax = options.labelValuesMax ?? limits.metricLabelValuesMax;
    const onHit = (): void => this.add('causeway_limit_hits_total', { limit: 'metricLabelValuesMax' });
    this.#bounds = new Map([
      ['zone', new LabelBound(valuesMax, onHit)],
      ['organisation', new LabelBound(valuesMax, onHit)],
    ]);
    for (const [name, entry] of Object.entries(metricTable)) this.#register(name as MetricName, entry);
    if (options.processMetrics ?? true) collectDefaultMetrics({ register: this.#registry });
  }

  add<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, amount = 1): void {
    this.#seriesOf(name).add(labels, amount);
  }

  set<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void {
    this.#seriesOf(name).set(labels, value, summedGauges.has(name) ? sum : Math.max);
  }

  observe<Name extends MetricName>(name: Name, labels: MetricLabels<Name>, value: number): void {
    const histogram = this.#histograms.get(name);
    if (histogram === undefined) throw new Error(`${name} is not a histogram`);
    histogram.observe(labels, value);
  }

  reset(name: MetricName): void {
    this.#seriesOf(name).reset();
  }

  /** The exposition text of /metrics. */
  async text(): Promise<string> {
    const parts = [await this.#registry.metrics()];
    for (const [name, histogram] of this.#histograms) {
      const { help, type } = metricTable[name];
      parts.push([`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...histogram.lines(), ''].join('\n'));
    }
    return parts.join('\n');
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #seriesOf(name: MetricName): MetricSeries {
    const series = this.#series.get(name);
    if (series === undefined) throw new Error(`${name} is not a counter or gauge`);
    return series;
  }

  #register(name: MetricName, entry: MetricEntry): void {
    const fold = (label: string, value: string): string => this.#bounds.get(label)?.fold(value) ?? value;
    if (entry.type === 'histogram') {
      this.#histograms.set(name, new HistogramSeries(name, entry.labels, entry.buckets ?? [], fold));
      return;
    }
    const shared = { name, help: entry.help, labelNames: [...entry.labels], registers: [this.#registry] };
    const series = new MetricSeries(entry.labels, fold);
    this.#series.set(name, series);
    if (entry.type === 'counter') {
      const counter: Counter = new Counter({ ...shared, collect: () => copyInto(counter, series) });
    } else {
      const gauge: Gauge = new Gauge({ ...shared, collect: () => copyInto(gauge, series) });
    }
  }
}

function copyInto(target: Counter | Gauge, series: MetricSeries): void {
  target.reset();
  for (const { labels, value } of series.values()) target.inc({ ...labels }, value);
}
