import type { Metadata } from '@grpc/grpc-js';
import { plainAddress } from '../../domain/network-source.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { BridgeHub } from './bridge-hub.js';

/** Metadata key that carries the organisation id. */
export const organisationMetadata = 'x-causeway-organisation';

export interface CallCredentials {
  readonly identity: WorkerIdentity;
  readonly apiKey: string;
  /** Where the connection comes from. */
  readonly address: string;
}

/** Logs the caller in. The messages name the metadata, never its value. */
export function authorise(hub: BridgeHub, metadata: Metadata, peer: string): CallCredentials {
  const apiKey = bearerToken(single(metadata, 'authorization'));
  const organisation = single(metadata, organisationMetadata);
  if (organisation === undefined || organisation === '') {
    throw new CausewayError(
      'API_KEY_REFUSED',
      `metadata ${organisationMetadata}: the organisation id is missing`,
    );
  }
  const source = addressAndPortOf(peer);
  const identity = hub.login({ apiKey: apiKey ?? '', organisation, ...source, protocol: 'grpc' });
  return { identity, apiKey: apiKey ?? '', address: source.address };
}

function single(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' ? value : undefined;
}

function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(header ?? '')?.[1];
}

/** Of `ipv4:127.0.0.1:5000`, `127.0.0.1:5000`, `::1:5000` or `[::1]:5000`. Port 0: there is none. */
function addressAndPortOf(peer: string): { readonly address: string; readonly port: number } {
  const [, address = peer, port = '0'] = /^(?:ipv[46]:)?(.*?)(?::(\d+))?$/.exec(peer) ?? [];
  return { address: plainAddress(address.replace(/^\[|\]$/g, '')), port: Number(port) };
}
