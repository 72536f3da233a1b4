import { type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { Base } from "../format/layout.ts";
import type { ByteOrder } from "./steps.ts";

/** How one value lies in octets. */
export type Scalar =
  | {
      readonly type: "integer";
      readonly bytes: number;
      readonly base: Base;
      readonly signed?: true;
      /** Names of some values. */
      readonly names?: Readonly<Record<string, number>>;
    }
  /** Octets as they are, in hexadecimal. */
  | { readonly type: "octets"; readonly bytes: number }
  /** Some bits of one octet, from the bit `shift` on. */
  | { readonly type: "bits"; readonly shift: number; readonly bits: number };

/** Where a value is. */
export interface ScalarPlace {
  readonly scalar: Scalar;
  readonly offset: number;
  /** Little unless said. */
  readonly byteOrder?: ByteOrder;
}

/** `0x` and the digits of a number without zeros before it. */
export function hexText(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * Reads a value. Hexadecimal numbers, those of 64 bits and more, octets and names are strings; the
 * others are numbers.
 */
export function readScalar(bytes: Uint8Array, place: ScalarPlace): string | number {
  const { scalar, offset } = place;
  switch (scalar.type) {
    case "octets":
      return Buffer.from(bytes.subarray(offset, offset + scalar.bytes)).toString("hex");
    case "bits":
      return (bytes[offset]! >> scalar.shift) & (2 ** scalar.bits - 1);
    case "integer": {
      const value = readInteger(bytes, place, scalar.bytes);
      const name = Object.entries(scalar.names ?? {}).find(([, one]) => BigInt(one) === value)?.[0];
      if (name !== undefined || scalar.base === "hex") {
        return name ?? hexText(value);
      }
      const number = scalar.signed ? BigInt.asIntN(scalar.bytes * 8, value) : value;
      return scalar.bytes > 4 ? number.toString() : Number(number);
    }
  }
}

/**
 * Gives a copy of `bytes` with another value in its place.
 *
 * @param text as {@link readScalar} gives it, and numbers also in the other base.
 * @throws MigrationError FIELD_VALUE
 */
export function withScalar(bytes: Uint8Array, place: ScalarPlace, text: string): Uint8Array {
  const { scalar, offset } = place;
  const changed = bytes.slice();
  switch (scalar.type) {
    case "octets":
      changed.set(parseOctets(text, scalar.bytes), offset);
      break;
    case "bits": {
      const mask = (2 ** scalar.bits - 1) << scalar.shift;
      const value = Number(parseInteger(text, { bits: scalar.bits, isSigned: false }));
      changed[offset] = (changed[offset]! & ~mask) | (value << scalar.shift);
      break;
    }
    case "integer": {
      const named = Object.hasOwn(scalar.names ?? {}, text) ? scalar.names?.[text] : undefined;
      const size = { bits: scalar.bytes * 8, isSigned: scalar.signed === true };
      writeInteger(changed, place, scalar.bytes, named ?? parseInteger(text, size));
    }
  }
  return changed;
}

/**
 * A whole number, decimal or (`0x`) hexadecimal.
 *
 * @throws MigrationError FIELD_VALUE also if it does not fit.
 */
export function parseInteger(
  text: string,
  { bits, isSigned }: { readonly bits: number; readonly isSigned: boolean },
): bigint {
  const match = /^(-?)(\d+|0x[0-9a-f]+)$/i.exec(text);
  const least = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
  const most = (1n << BigInt(isSigned ? bits - 1 : bits)) - 1n;
  const facts = { wanted: "a whole number", least, most };
  if (match === null) {
    throw valueError(text, facts);
  }
  const value = match[1] === "-" ? -BigInt(match[2]!) : BigInt(match[2]!);
  if (value < least || value > most) {
    throw valueError(text, facts);
  }
  return value;
}

/** An error about a value; a long one is cut. */
export function valueError(text: string, facts: ErrorFacts): MigrationError {
  const value = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new MigrationError("FIELD_VALUE", { value, ...facts });
}

function parseOctets(text: string, byteCount: number): Uint8Array {
  const digits = text.replace(/^0x/i, "");
  if (digits.length !== byteCount * 2 || !/^[0-9a-f]*$/i.test(digits)) {
    throw valueError(text, { wanted: "octets in hexadecimal", octets: byteCount });
  }
  return new Uint8Array(Buffer.from(digits, "hex"));
}

/** The place of the octet of weight 256 to the power of `index`. */
function octetAt({ offset, byteOrder }: ScalarPlace, byteCount: number, index: number): number {
  return offset + (byteOrder === "big" ? byteCount - 1 - index : index);
}

function readInteger(bytes: Uint8Array, place: ScalarPlace, byteCount: number): bigint {
  let value = 0n;
  for (let index = byteCount - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(bytes[octetAt(place, byteCount, index)]!);
  }
  return value;
}

function writeInteger(
  bytes: Uint8Array,
  place: ScalarPlace,
  byteCount: number,
  value: number | bigint,
): void {
  let rest = BigInt(value);
  for (let index = 0; index < byteCount; index++) {
    bytes[octetAt(place, byteCount, index)] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}
