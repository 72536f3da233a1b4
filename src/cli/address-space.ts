import { MigrationError } from "../base/errors.ts";
import { PAGING_FORMATS, type PagingMode } from "../format/paging.ts";

/** Whose page tables: a CR3, or a vCPU of the image that has one. */
export type AddressSpaceRoot = { readonly vcpu: number } | { readonly cr3: bigint };

/** What users write for it: `0x1000`, or `vcpu0`; `undefined` for anything else. */
export function parseRoot(text: string): AddressSpaceRoot | undefined {
  const [, vcpu] = /^vcpu ?(\d{1,5})$/.exec(text) ?? [];
  if (vcpu !== undefined) {
    return { vcpu: Number(vcpu) };
  }
  const cr3 = parseNumber(text);
  return cr3 === undefined ? undefined : { cr3 };
}

/** A mode of paging by its name. @throws MigrationError USAGE_ARGUMENT */
export function parsePagingMode(text: string): Exclude<PagingMode, "none"> {
  const known = Object.keys(PAGING_FORMATS) as (keyof typeof PAGING_FORMATS)[];
  const mode = known.find((name) => name === text);
  if (mode === undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { paging: text, known });
  }
  return mode;
}

/** A number of at most 64 bits, hexadecimal behind 0x; `undefined` for anything else. */
export function parseNumber(text: string): bigint | undefined {
  return /^(0x[0-9a-f]{1,16}|[0-9]{1,19})$/i.test(text) ? BigInt(text) : undefined;
}
