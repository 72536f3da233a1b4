import { type Field, type FieldKind, kindBytes, type Layout } from "../format/layout.ts";
import { readScalar, type Scalar, type ScalarPlace } from "./scalar.ts";

export { hexText } from "./scalar.ts";

/**
 * What a structure's fields hold, by their names.
 *
 * Hexadecimal numbers and numbers of 64 bits and more are strings; the others are numbers.
 */
export type Decoded = { readonly [name: string]: DecodedValue };
export type DecodedValue = string | number | Decoded | readonly DecodedValue[];

/**
 * Decodes the fields that lie within `bytes` as a whole: a structure that older versions wrote
 * shorter lacks those at its end.
 */
export function decodeLayout({ fields }: Layout, bytes: Uint8Array): Decoded {
  const decoded: Record<string, DecodedValue> = {};
  for (const field of fields) {
    if (field.offset + fieldBytes(field) > bytes.length) {
      continue;
    }
    if (field.kind.type === "bits") {
      Object.assign(decoded, decodeBits(field.kind.parts, bytes, field.offset));
    } else if (field.list === undefined) {
      decoded[field.name] = decodeKind(field.kind, bytes, field.offset);
    } else {
      const { count, strideBytes } = field.list;
      decoded[field.name] = Array.from({ length: count }, (_, index) =>
        decodeKind(field.kind, bytes, field.offset + index * strideBytes),
      );
    }
  }
  return decoded;
}

/** Where a field is that holds one value: `timers[0].config`, from the start of the structure. */
export interface LayoutField extends ScalarPlace {
  readonly path: string;
}

/**
 * The fields that {@link decodeLayout} decodes, one for each value.
 *
 * @param lengthBytes of the structure, as it was written.
 */
export function* layoutFields(
  { fields }: Layout,
  lengthBytes: number,
): Generator<LayoutField, void, undefined> {
  for (const field of fields) {
    const { name, offset, kind, list } = field;
    if (offset + fieldBytes(field) > lengthBytes) {
      continue;
    }
    if (list === undefined) {
      yield* kindFields(kind, name, offset);
    } else {
      for (let index = 0; index < list.count; index++) {
        yield* kindFields(kind, `${name}[${index}]`, offset + index * list.strideBytes);
      }
    }
  }
}

function* kindFields(
  kind: FieldKind,
  path: string,
  offset: number,
): Generator<LayoutField, void, undefined> {
  switch (kind.type) {
    case "integer":
    case "octets":
      yield { path, offset, scalar: kind };
      break;
    case "bits":
      yield* bitFields(kind.parts).map(({ path: name, scalar }) => ({
        path: name,
        offset,
        scalar,
      }));
      break;
    case "struct":
      for (const inner of layoutFields(kind.layout, kind.layout.sizeBytes)) {
        yield { ...inner, path: `${path}.${inner.path}`, offset: offset + inner.offset };
      }
  }
}

function fieldBytes({ kind, list }: Field): number {
  return list === undefined
    ? kindBytes(kind)
    : (list.count - 1) * list.strideBytes + kindBytes(kind);
}

function decodeKind(kind: FieldKind, bytes: Uint8Array, offset: number): DecodedValue {
  switch (kind.type) {
    case "integer":
    case "octets":
      return readScalar(bytes, { scalar: kind, offset });
    case "bits":
      return decodeBits(kind.parts, bytes, offset);
    case "struct":
      return decodeLayout(kind.layout, bytes.subarray(offset, offset + kind.layout.sizeBytes));
  }
}

type BitParts = Extract<FieldKind, { type: "bits" }>["parts"];

function decodeBits(parts: BitParts, bytes: Uint8Array, offset: number): Decoded {
  const decoded = bitFields(parts).map(
    ({ path, scalar }) => [path, readScalar(bytes, { scalar, offset })] as const,
  );
  return Object.fromEntries(decoded);
}

function bitFields(parts: BitParts): readonly { readonly path: string; readonly scalar: Scalar }[] {
  let shift = 0;
  return parts.map(([path, bits]) => {
    const scalar = { type: "bits", shift, bits } as const;
    shift += bits;
    return { path, scalar };
  });
}
