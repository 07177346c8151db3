import { GobEncoder } from '../../src/transport/gorpc/gob/encoder.js';
import {
  GobStructType,
  gobBytes,
  gobInterface,
  gobSlice,
  gobString,
  gobUint,
} from '../../src/transport/gorpc/gob/types.js';
import { GobInterface, GobStruct, type GobValue } from '../../src/transport/gorpc/gob/values.js';

/** What a gateway sends, as values for a `GobEncoder`; see `encodeRequests`. */
const organisation = '5e9d9544a1dcd60001d0ed20';

const wireRequest = new GobStructType('wireRequest', [
  { name: 'ID', type: gobUint },
  { name: 'Request', type: gobInterface },
]);
const dispatcherRequest = new GobStructType('dispatcherRequest', [
  { name: 'Request', type: gobInterface },
  { name: 'Name', type: gobString },
]);
const defRequest = new GobStructType('DefRequest', [
  { name: 'OrgId', type: gobString },
  { name: 'Tags', type: gobSlice(gobString, '[]string') },
]);
const groupLoginRequest = new GobStructType('GroupLoginRequest', [
  { name: 'UserKey', type: gobString },
  { name: 'GroupID', type: gobString },
  { name: 'Node', type: gobBytes },
]);

function request(id: number, method: string, argument: GobInterface): GobValue {
  const call = new GobStruct(dispatcherRequest, [argument, method]);
  return new GobStruct(wireRequest, [
    id,
    new GobInterface('*gorpc.dispatcherRequest', dispatcherRequest, call),
  ]);
}

export function getKey(id: number, name: string): GobValue {
  return request(id, '.GetKey', new GobInterface('string', gobString, name));
}

export function getApiDefinitions(id: number): GobValue {
  const fields: GobValue[] = [organisation, ['eu', `private-${id}`]];
  return request(
    id,
    '.GetApiDefinitions',
    new GobInterface('*apidef.DefRequest', defRequest, new GobStruct(defRequest, fields)),
  );
}

export function loginWithGroup(id: number, userKey: string, group: string, node: Buffer): GobValue {
  const fields: GobValue[] = [userKey, group, node];
  return request(
    id,
    '.LoginWithGroup',
    new GobInterface(
      '*apidef.GroupLoginRequest',
      groupLoginRequest,
      new GobStruct(groupLoginRequest, fields),
    ),
  );
}

/** Messages of one connection, in order: types are defined by the first that needs them. */
export function encodeRequests(requests: readonly GobValue[]): Buffer[] {
  const encoder = new GobEncoder();
  return requests.map((value) => encoder.encode(wireRequest, value));
}
