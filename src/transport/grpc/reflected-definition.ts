import type { PackageDefinition } from '@grpc/proto-loader';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';

const { FileDescriptorProto } = descriptor;

/**
 * Makes a package definition fit for server reflection.
 *
 * The descriptors that protobufjs writes name the entry type of a map field `field` instead of `FieldEntry`;
 * tools that check what they are told (grpcurl among them) then refuse the whole file.
 */
export function reflectable(definition: PackageDefinition): PackageDefinition {
  const renamed = new Map<Buffer, Buffer>();
  const entries = Object.entries(definition).map(([name, one]) => {
    if (!('fileDescriptorProtos' in one) || !Array.isArray(one.fileDescriptorProtos))
      return [name, one] as const;
    const fileDescriptorProtos = one.fileDescriptorProtos.map((bytes: Buffer) => {
      const known = renamed.get(bytes);
      if (known !== undefined) return known;
      const fixed = withEntryNames(bytes);
      renamed.set(bytes, fixed);
      return fixed;
    });
    return [name, { ...one, fileDescriptorProtos }] as const;
  });
  return Object.fromEntries(entries);
}

function withEntryNames(bytes: Buffer): Buffer {
  const file = FileDescriptorProto.decode(bytes) as IFileDescriptorProto;
  for (const message of file.messageType ?? []) renameEntries(message);
  return Buffer.from(FileDescriptorProto.encode(file).finish());
}

function renameEntries(message: IDescriptorProto): void {
  for (const nested of message.nestedType ?? []) {
    renameEntries(nested);
    const { name } = nested;
    if (nested.options?.mapEntry !== true || name == null || name.endsWith('Entry')) continue;
    nested.name = `${name}Entry`;
    for (const field of message.field ?? []) {
      if (field.typeName === name) field.typeName = nested.name;
    }
  }
}
