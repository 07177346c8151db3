import type { OrganisationId } from '../domain/identifiers.js';
import type { Distributor } from '../hub/distribution/distributor.js';
import type { ReloadSignals } from '../hub/distribution/reload-signals.js';
import type { ChangeLog } from '../ports/change-log.js';
import type { Component } from '../ports/component.js';

/** Wakes long polls when definitions changed, and not for every key. */
export class DefinitionWatch implements Component {
  readonly name = 'definition watch';
  readonly #changeLog: ChangeLog;
  readonly #distributor: Distributor;
  readonly #reloads: ReloadSignals;
  readonly #revisions = new Map<OrganisationId, number>();
  #unsubscribe: (() => void) | undefined;

  constructor(changeLog: ChangeLog, distributor: Distributor, reloads: ReloadSignals) {
    this.#changeLog = changeLog;
    this.#distributor = distributor;
    this.#reloads = reloads;
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#changeLog.subscribe((organisation) => {
      const revision = this.#distributor.snapshotOf(organisation)?.revision;
      if (revision === undefined || revision === this.#revisions.get(organisation)) return;
      this.#revisions.set(organisation, revision);
      this.#reloads.changed(organisation);
    });
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
  }

  notReady(): string | undefined {
    return undefined;
  }
}
