/** One entry as `xen-hvmctx` prints it. */
export interface HvmctxEntry {
  readonly typecode: number;
  readonly instance: number;
  readonly bytes: number;
  readonly text: string;
}

/** Splits what `xen-hvmctx` printed into its entries. */
export function hvmctxEntries(text: string): readonly HvmctxEntry[] {
  const heads = /^Entry \d+: type (\d+) instance (\d+), length (\d+)\n/gm;
  const found = [...text.matchAll(heads)];
  return found.map((match, index) => ({
    typecode: Number(match[1]),
    instance: Number(match[2]),
    bytes: Number(match[3]),
    text: text.slice(match.index + match[0].length, found[index + 1]?.index),
  }));
}

/** All numbers behind a label, in the order of the text; those without 0x are as `base` says. */
export function numbersBehind(text: string, label: RegExp, base: "hex" | "decimal" = "hex") {
  const found = [...text.matchAll(new RegExp(`${label.source} +(0x[0-9a-f]+|[0-9a-f]+)`, "g"))];
  return found.map((match) => {
    const digits = match.at(-1)!;
    return BigInt(base === "hex" && !digits.startsWith("0x") ? `0x${digits}` : digits);
  });
}
