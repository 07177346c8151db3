import {
  compareReleases,
  exactEra,
  type GatewayEra,
  narrowEra,
  parseReleaseNumber,
  sinceRelease,
  untilLine,
} from '../../domain/gateway-era.js';
import type { GorpcRequest } from './request-decoder.js';
import type { KeysValuesPairName } from './response-encoder.js';

/*
 * A type travels with all the fields its sender knows, sent or not, and under the name of its Go package. So
 * the arguments of the first calls tell how old a client is. Source: worker-rpc reference, 2.7.
 *
 *   *main.<type>          up to 2.8          *apidef.<type>                since 2.9
 *   DefRequest            up to 4.0          + LoadOAS                     since 4.1
 *   GroupLoginRequest     before 4.3.2       + ForceSync  since 4.3.2      + Node  since 5.2
 *
 * A pump has its own `*pumps.GroupLoginRequest`, which says nothing of gateways.
 */

const asterisk = 0x2a;

/** What a request tells of its sender, together with what was known before. */
export function eraAfter(era: GatewayEra, { typeName, fieldNames }: GorpcRequest): GatewayEra {
  if (typeName.charCodeAt(0) !== asterisk) return era;
  const dot = typeName.lastIndexOf('.');
  const known = eraOfPackage(typeName.slice(1, dot));
  if (known === undefined) return era;
  const narrowed = narrowEra(era, known);
  switch (typeName.slice(dot + 1)) {
    case 'DefRequest':
      return narrowEra(narrowed, fieldNames.includes('LoadOAS') ? sinceRelease([4, 1, 0]) : untilLine(4, 0));
    case 'GroupLoginRequest':
      if (fieldNames.includes('Node')) return narrowEra(narrowed, sinceRelease([5, 2, 0]));
      if (!fieldNames.includes('ForceSync')) return narrowEra(narrowed, untilForceSync);
      return narrowEra(narrowed, { oldest: [4, 3, 2], newest: [5, 1, Number.MAX_SAFE_INTEGER] });
    default:
      return narrowed;
  }
}

/** What a gateway says its version is. It counts more than what its types tell. */
export function eraOfVersion(era: GatewayEra, version: string): GatewayEra {
  const release = parseReleaseNumber(version);
  return release === undefined ? era : exactEra(release);
}

/** A connection dies of the name that its client does not know. */
export function keysValuesPairName({ newest }: GatewayEra): KeysValuesPairName {
  const isMain = newest !== undefined && compareReleases(newest, [2, 9, 0]) < 0;
  return isMain ? '*main.KeysValuesPair' : '*apidef.KeysValuesPair';
}

const untilForceSync: GatewayEra = { oldest: undefined, newest: [4, 3, 1] };

function eraOfPackage(name: string): GatewayEra | undefined {
  if (name === 'main') return untilLine(2, 8);
  return name === 'apidef' ? sinceRelease([2, 9, 0]) : undefined;
}
