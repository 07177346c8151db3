import type { OrganisationId } from '../domain/identifiers.js';
import type { KeyEvent } from '../domain/key-event.js';

/**
 * A hint from the control plane that something happened there. Hints are lost while nobody listens, come more
 * than once and in any order; what they are about is always read anew.
 */
export type ControlPlaneSignal =
  /** Definitions, organisations or users may have changed. `reason` is for the log. */
  | { readonly type: 'catalog'; readonly reason: string }
  /** `organisation` undefined: the signal does not say. Whether a key is there or gone is to be looked up. */
  | {
      readonly type: 'key';
      readonly event: KeyEvent;
      /** What the same signal can mean besides, because ids may hold the marks that it is split at. */
      readonly alternatives?: readonly KeyEvent[];
      readonly organisation: OrganisationId | undefined;
    }
  /** Listening from now on; what happened before, at the start or in an interruption, was not heard. */
  | { readonly type: 'listening' };

export interface ControlPlaneSignals {
  /** Returns the way to unsubscribe. */
  subscribe(onSignal: (signal: ControlPlaneSignal) => void): () => void;
}
