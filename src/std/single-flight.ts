interface Flight<Value> {
  /** Shared by all keys that were loaded together; `index` is this key's place in the answer. */
  readonly batch: Promise<readonly Value[]>;
  readonly index: number;
}

/**
 * Equal loads that overlap become one. Keys are loaded in batches; a caller joins the flights that are
 * under way and starts one batch for the rest. A failure reaches everybody who joined and is not kept.
 */
export class SingleFlight<Value> {
  readonly #flights = new Map<string, Flight<Value>>();
  readonly #onFailed: () => void;

  /** `onFailed` is called once for each load that was rejected. */
  constructor(onFailed: () => void = () => {}) {
    this.#onFailed = onFailed;
  }

  /** `load` answers one value per key, in order. So does the result. */
  async fetch(
    keys: readonly string[],
    load: (missing: readonly string[]) => Promise<readonly Value[]>,
  ): Promise<readonly Value[]> {
    const missing = [...new Set(keys.filter((key) => !this.#flights.has(key)))];
    if (missing.length > 0) this.#start(missing, load);
    const joined = keys.flatMap((key) => this.#flights.get(key) ?? []);
    if (joined.length !== keys.length) throw new Error('a flight was lost');
    const batches = new Map(joined.map(({ batch }) => [batch, 0]));
    let place = 0;
    for (const batch of batches.keys()) batches.set(batch, place++);
    const answers = await Promise.all(batches.keys());
    return joined.map(({ batch, index }) => answers[batches.get(batch) ?? 0]?.[index] as Value);
  }

  /** As `fetch`, for one key, and cheaper. */
  async fetchOne(
    key: string,
    load: (missing: readonly string[]) => Promise<readonly Value[]>,
  ): Promise<Value> {
    const joined = this.#flights.get(key);
    if (joined !== undefined) return (await joined.batch)[joined.index] as Value;
    const flight: Flight<Value> = { batch: load([key]), index: 0 };
    this.#flights.set(key, flight);
    try {
      const [value] = await flight.batch;
      return value as Value;
    } catch (thrown) {
      this.#onFailed();
      throw thrown;
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** Who asks from now on gets a fresh load: what is in the air may be older than what is known by now. */
  forget(key: string): void {
    this.#flights.delete(key);
  }

  #start(keys: readonly string[], load: (missing: readonly string[]) => Promise<readonly Value[]>): void {
    const batch = load(keys);
    const flights = keys.map((_key, index): Flight<Value> => ({ batch, index }));
    keys.forEach((key, index) => {
      const flight = flights[index];
      if (flight !== undefined) this.#flights.set(key, flight);
    });
    const land = () => {
      keys.forEach((key, index) => {
        if (this.#flights.get(key) === flights[index]) this.#flights.delete(key);
      });
    };
    // The rejection is everybody's who joined; here it only ends the flights.
    batch.then(land, () => {
      this.#onFailed();
      land();
    });
  }
}
