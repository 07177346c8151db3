import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { ConnectionStanding } from '../../ports/connection-standing.js';

/** Who is at the other end of a connection. */
export interface ConnectionDetails {
  /** IPv4 addresses are in dotted form even on a dual-stack socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly secure: boolean;
  /** The name asked for in the TLS hello. */
  readonly serverName: string | undefined;
  readonly standing: ConnectionStanding;
}

/** One worker protocol on the shared port. */
export interface ProtocolHandler {
  /** Looks at the first bytes of a connection (at least one). */
  matches(head: Buffer): 'yes' | 'no' | 'need-more';
  /**
   * Takes the connection over. The stream is paused and gives every byte from the first one on. It closes
   * when the handler ends it, when nobody has logged in over it in time, and at the latest when the listener stops.
   */
  accept(stream: Duplex, details: ConnectionDetails): void;
  /** Finishes what is under way; its connections are destroyed after it resolves or at `deadlineMs`. */
  drain?(deadlineMs: number): Promise<void>;
}

/** Certificates for the port, current at each call. */
export interface TlsContexts {
  secureContext(serverName?: string): SecureContext;
}
