/** Byte order of a built stream. */
export type Order = "little" | "big";

/** Octets of numbers, written without the code that is tested. */
export interface Octets {
  u8(...values: readonly number[]): Uint8Array;
  u16(...values: readonly number[]): Uint8Array;
  u32(...values: readonly number[]): Uint8Array;
  u64(...values: readonly (number | bigint)[]): Uint8Array;
}

/** Makes octets in one byte order. */
export function octetsIn(order: Order): Octets {
  const isLittle = order === "little";
  return {
    u8: (...values) => Uint8Array.from(values),
    u16: (...values) => fill(values, 2, (view, at, value) => view.setUint16(at, value, isLittle)),
    u32: (...values) => fill(values, 4, (view, at, value) => view.setUint32(at, value, isLittle)),
    u64: (...values) =>
      fill(values, 8, (view, at, value) => view.setBigUint64(at, BigInt(value), isLittle)),
  };
}

function fill<Value>(
  values: readonly Value[],
  size: number,
  set: (view: DataView, at: number, value: Value) => void,
): Uint8Array {
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) {
    set(view, index * size, value);
  }
  return bytes;
}

/** One after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Octets of latin1 text. */
export function text(characters: string): Uint8Array {
  return new Uint8Array(Buffer.from(characters, "latin1"));
}

/** Octets of "0a 1b …", blanks ignored. */
export function hex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits.replaceAll(/\s/g, ""), "hex"));
}
