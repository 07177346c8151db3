interface Observations {
  readonly labels: string;
  /** Of each bucket alone; the last one is beyond all bounds. */
  readonly counts: number[];
  sum: number;
}

type Labels = Readonly<Record<string, string>>;

/**
 * The observations of one histogram, and their lines of the exposition text. prom-client validates and hashes the
 * labels at every observation; here it is one comparison for a caller that passes the same labels each time.
 */
export class HistogramSeries {
  readonly #name: string;
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #fold: (label: string, value: string) => string;
  readonly #series = new Map<string, Observations>();
  #lastLabels: Labels | undefined;
  #lastSeries: Observations | undefined;

  /** `bounds`: upper bounds of the buckets, rising. */
  constructor(
    name: string,
    labelNames: readonly string[],
    bounds: readonly number[],
    fold: (label: string, value: string) => string,
  ) {
    this.#name = name;
    this.#labelNames = labelNames;
    this.#bounds = bounds;
    this.#fold = fold;
  }

  observe(labels: Labels, value: number): void {
    if (labels !== this.#lastLabels || this.#lastSeries === undefined) {
      this.#lastSeries = this.#find(labels);
      this.#lastLabels = labels;
    }
    const { counts } = this.#lastSeries;
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.#lastSeries.sum += value;
  }

  lines(): readonly string[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum }) => {
      const others = labels === '' ? '' : `,${labels}`;
      let total = 0;
      const buckets = counts.map((count, index) => {
        total += count;
        return `${this.#name}_bucket{le="${this.#bounds[index] ?? '+Inf'}"${others}} ${total}`;
      });
      const braced = labels === '' ? '' : `{${labels}}`;
      return [...buckets, `${this.#name}_sum${braced} ${sum}`, `${this.#name}_count${braced} ${total}`];
    });
  }

  #find(labels: Labels): Observations {
    const written = this.#labelNames
      .map((name) => `${name}="${escaped(this.#fold(name, labels[name] ?? ''))}"`)
      .join(',');
    let series = this.#series.get(written);
    if (series === undefined) {
      series = { labels: written, counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
      this.#series.set(written, series);
    }
    return series;
  }
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
