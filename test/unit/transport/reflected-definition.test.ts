import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { expect, test } from 'vitest';
import { reflectedDefinition } from '../../../src/transport/grpc/contract.js';

function mapEntries(message: IDescriptorProto): readonly string[] {
  const nested = message.nestedType ?? [];
  const own = nested.filter(({ options }) => options?.mapEntry === true).map(({ name }) => name ?? '');
  return [...own, ...nested.flatMap(mapEntries)];
}

test('map fields are described as every protobuf library expects them', () => {
  const files = Object.values(reflectedDefinition).flatMap((one) =>
    'fileDescriptorProtos' in one ? (one.fileDescriptorProtos as Buffer[]) : [],
  );
  const names = files.flatMap((bytes) => {
    const file = descriptor.FileDescriptorProto.decode(bytes) as IFileDescriptorProto;
    return (file.messageType ?? []).flatMap(mapEntries);
  });
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !name.endsWith('Entry'))).toEqual([]);
});

test('the contract and the health service are described', () => {
  expect(Object.keys(reflectedDefinition)).toEqual(
    expect.arrayContaining(['causeway.v1.Bridge', 'grpc.health.v1.Health']),
  );
});
