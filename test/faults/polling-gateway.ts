import { GorpcClient } from '../integration/gorpc-client.js';
import { groupLogin, groupPoll } from '../integration/gorpc-hub.js';

const pollPauseMs = 50;

/** A gateway that keeps the keys it hears of: polls for events, fetches what each is about, comes back for ever. */
export class PollingGateway {
  readonly keys = new Map<string, string>();
  readonly #hub: { readonly listenPort: number; readonly apiKey: string; readonly organisation: string };
  readonly #group: string;
  #stopped = false;
  #running: Promise<void> | undefined;
  /** Logged in at least once: from then on it misses nothing. */
  loggedIn = false;

  constructor(
    hub: { readonly listenPort: number; readonly apiKey: string; readonly organisation: string },
    group: string,
  ) {
    this.#hub = hub;
    this.#group = group;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let client: GorpcClient | undefined;
      try {
        client = await GorpcClient.open({ port: this.#hub.listenPort });
        await this.#serve(client);
      } catch {
        // The hub is away: that is what this is about.
      }
      client?.destroy();
      await pause(pollPauseMs);
    }
  }

  async #serve(client: GorpcClient): Promise<void> {
    const login = await client.call('LoginWithGroup', groupLogin(this.#group, {}, this.#hub.apiKey));
    if (!('value' in login) || login.value !== true) return;
    this.loggedIn = true;
    while (!this.#stopped) {
      const poll = await client.call(
        'GetGroupKeySpaceUpdate',
        groupPoll(this.#group, this.#hub.organisation),
      );
      const events = 'value' in poll && Array.isArray(poll.value) ? (poll.value as readonly string[]) : [];
      for (const event of events) await this.#apply(client, event.replace(/:hashed$/, ''));
      if (events.length === 0) await pause(pollPauseMs);
    }
  }

  /** The old value goes first, as in a gateway. */
  async #apply(client: GorpcClient, id: string): Promise<void> {
    this.keys.delete(`apikey-${id}`);
    const stored = await client.call('GetKey', `apikey-${id}`);
    if ('value' in stored) this.keys.set(`apikey-${id}`, String(stored.value));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
