import { type Field, type FieldKind, kindBytes, type Layout } from "../format/layout.ts";

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
      Object.assign(decoded, decodeBits(field.kind.parts, bytes[field.offset]!));
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

/** `0x` and the digits of a number without zeros before it. */
export function hexText(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function fieldBytes({ kind, list }: Field): number {
  return list === undefined
    ? kindBytes(kind)
    : (list.count - 1) * list.strideBytes + kindBytes(kind);
}

function decodeKind(kind: FieldKind, bytes: Uint8Array, offset: number): DecodedValue {
  switch (kind.type) {
    case "integer":
      return decodeInteger(kind, bytes.subarray(offset, offset + kind.bytes));
    case "octets":
      return Buffer.from(bytes.subarray(offset, offset + kind.bytes)).toString("hex");
    case "bits":
      return decodeBits(kind.parts, bytes[offset]!);
    case "struct":
      return decodeLayout(kind.layout, bytes.subarray(offset, offset + kind.layout.sizeBytes));
  }
}

function decodeInteger(
  { base, signed, bytes: byteCount }: Extract<FieldKind, { type: "integer" }>,
  bytes: Uint8Array,
): string | number {
  let value = 0n;
  for (let index = byteCount - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(bytes[index]!);
  }
  if (base === "hex") {
    return hexText(value);
  }
  const number = signed ? BigInt.asIntN(byteCount * 8, value) : value;
  return byteCount > 4 ? number.toString() : Number(number);
}

function decodeBits(
  parts: readonly (readonly [name: string, bits: number])[],
  octet: number,
): Readonly<Record<string, number>> {
  let rest = octet;
  const decoded: Record<string, number> = {};
  for (const [name, bitCount] of parts) {
    decoded[name] = rest & (2 ** bitCount - 1);
    rest >>= bitCount;
  }
  return decoded;
}
