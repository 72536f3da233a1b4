/**
 * Quantities as people write them in a guest's description. Each parser gives `undefined` for a
 * text that is no such quantity.
 */

const UNIT_BYTES = new Map<string, number>([
  ["", 1],
  ["b", 1],
  ...["k", "m", "g", "t"].flatMap((letter, index): [string, number][] => [
    [letter, 1024 ** (index + 1)],
    [`${letter}i`, 1024 ** (index + 1)],
    [`${letter}ib`, 1024 ** (index + 1)],
    [`${letter}b`, 1000 ** (index + 1)],
  ]),
]);

/** Octets, rounded: "4096", "64K", "1.5GiB" (powers of 1024), "200MB" (powers of 1000). */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)([a-z]*)$/i.exec(text);
  const unitBytes = UNIT_BYTES.get(match?.[2]?.toLowerCase() ?? "");
  if (match === null || unitBytes === undefined) {
    return undefined;
  }
  const bytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A share: "10%" or "0.1", from 0 to 1. */
export function parseShare(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)(%?)$/.exec(text);
  const share = Number(match?.[1]) / (match?.[2] === "%" ? 100 : 1);
  return share >= 0 && share <= 1 ? share : undefined;
}

/** An unsigned 64-bit number in decimal or, with 0x, in hexadecimal. */
export function parseU64(text: string): bigint | undefined {
  if (!/^([0-9]{1,20}|0x[0-9a-f]{1,16})$/i.test(text)) {
    return undefined;
  }
  const value = BigInt(text);
  return value < 2n ** 64n ? value : undefined;
}

/** A count as xl.cfg writes it: decimal, octal with a leading 0, hexadecimal with 0x. */
export function parseXlNumber(text: string): number | undefined {
  if (!/^(0[0-7]*|[1-9][0-9]*|0x[0-9a-f]+)$/i.test(text)) {
    return undefined;
  }
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
