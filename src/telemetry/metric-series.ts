/** One combination of label values and its number. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/**
 * The numbers of one counter or gauge. prom-client validates and hashes the labels at every increment;
 * here an increment is one map look-up, and prom-client sees the numbers once per scrape.
 */
export class MetricSeries {
  readonly #labelNames: readonly string[];
  readonly #fold: (label: string, value: string) => string;
  readonly #series = new Map<string, Series>();
  /** The labels of the last increment: a caller in a hot path makes its labels once and passes them each time. */
  #lastLabels: Readonly<Record<string, string>> | undefined;
  #lastSeries: Series | undefined;
  /** Series written since the last reset: see `set`. */
  #writtenSinceReset: Set<Series> | undefined;

  constructor(labelNames: readonly string[], fold: (label: string, value: string) => string) {
    this.#labelNames = labelNames;
    this.#fold = fold;
    if (labelNames.length === 0) this.#find({});
  }

  add(labels: Readonly<Record<string, string>>, amount: number): void {
    if (labels !== this.#lastLabels || this.#lastSeries === undefined) {
      this.#lastSeries = this.#find(labels);
      this.#lastLabels = labels;
    }
    this.#lastSeries.value += amount;
  }

  /**
   * Several label values may have been folded into one series. Between two resets such a series shows
   * `combine` of its parts; a gauge that is never reset shows the last one written.
   */
  set(
    labels: Readonly<Record<string, string>>,
    value: number,
    combine: (a: number, b: number) => number,
  ): void {
    const series = this.#find(labels);
    const folded = this.#labelNames.some((name) => series.labels[name] !== labels[name]);
    series.value = folded && this.#writtenSinceReset?.has(series) ? combine(series.value, value) : value;
    if (folded) this.#writtenSinceReset?.add(series);
  }

  reset(): void {
    this.#series.clear();
    this.#lastLabels = undefined;
    this.#lastSeries = undefined;
    this.#writtenSinceReset = new Set();
    if (this.#labelNames.length === 0) this.#find({});
  }

  values(): IterableIterator<Series> {
    return this.#series.values();
  }

  #find(labels: Readonly<Record<string, string>>): Series {
    let key = '';
    for (const name of this.#labelNames) key += `${this.#fold(name, labels[name] ?? '')}\u0000`;
    let series = this.#series.get(key);
    if (series === undefined) {
      const parts = key.split('\u0000');
      series = {
        labels: Object.fromEntries(this.#labelNames.map((name, index) => [name, parts[index] ?? ''])),
        value: 0,
      };
      this.#series.set(key, series);
    }
    return series;
  }
}
