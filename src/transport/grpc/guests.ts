import type { ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { ServerInterceptor } from '@grpc/grpc-js';
import { limits } from '../../domain/limits.js';
import { plainAddress } from '../../domain/network-source.js';
import type { ConnectionStanding } from '../../ports/connection-standing.js';

/** Who is at the other end of a connection, and how it stands with the listener. */
export interface GrpcPeer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly standing: ConnectionStanding;
}

interface Guest {
  readonly standing: ConnectionStanding;
  session: ServerHttp2Session | undefined;
  isKnown: boolean;
}

/**
 * Open connections, and over which of them somebody has logged in. Until then a connection may have few calls at a
 * time: five thousand that come at once, health watches say, keep everybody else waiting for seconds. HTTP/2 itself
 * enforces it, before a call costs anything; a worker that is logged in is told of the room it has.
 */
export class Guests {
  /** By address and port of the peer: what a call knows of its connection. */
  readonly #guests = new Map<string, Guest>();
  readonly #seen = new WeakSet<ServerHttp2Session>();

  enter(socket: Duplex, { remoteAddress, remotePort, standing }: GrpcPeer): void {
    const peer = `${remoteAddress}:${remotePort}`;
    const guest: Guest = { standing, session: undefined, isKnown: false };
    this.#guests.set(peer, guest);
    standing.beforeTimeout(() => guest.session?.destroy());
    socket.once('close', () => {
      if (this.#guests.get(peer) === guest) this.#guests.delete(peer);
    });
  }

  /** Somebody has logged in by a call of this peer. */
  loggedIn(address: string, port: number): void {
    const guest = this.#guests.get(`${address}:${port}`);
    if (guest === undefined || guest.isKnown) return;
    guest.isKnown = true;
    guest.standing.welcome();
    const { session } = guest;
    if (session === undefined || session.destroyed) return;
    session.settings({ maxConcurrentStreams: limits.callsPerConnectionMax });
  }

  /** Looks which connection a call came over; changes nothing about it. */
  readonly interceptor: ServerInterceptor = (_, call) => {
    // The library shows the stream of a call to nobody; without this field only the goodbye and the room are missing.
    const { session } =
      (call as { readonly stream?: { readonly session?: ServerHttp2Session } }).stream ?? {};
    if (session !== undefined && !this.#seen.has(session)) {
      this.#seen.add(session);
      const { remoteAddress = '', remotePort = 0 } = session.socket;
      const guest = this.#guests.get(`${plainAddress(remoteAddress)}:${remotePort}`);
      if (guest !== undefined) guest.session = session;
    }
    return call as ReturnType<ServerInterceptor>;
  };
}
