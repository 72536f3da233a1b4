import { decodeHvmEntry, splitHvmContext } from "../../codec/hvm-context.ts";
import { hexText } from "../../codec/layout.ts";
import type { KeptRecord } from "../image-contents.ts";
import type { GuestState } from "./state.ts";

/** Octets of HVM_CONTEXT that are decoded; entries behind them are told by their octets. */
const DECODED_BYTES_MAX = 4 * 1024 * 1024;

/** Names that an entry's fields share with every other: they say nothing of the guest. */
const MARKERS: ReadonlySet<string> = new Set(["unusual_length", "rest"]);

/** The entries of HVM_CONTEXT field by field: `hvm.CPU[0].rip`. */
export function putHvmContext(state: GuestState, record: KeptRecord): void {
  const { entries, error } = splitHvmContext(record);
  if (error !== undefined) {
    throw error;
  }
  for (const entry of entries) {
    const { name, typecode, instance, bodyOffset, content } = entry;
    const path = `hvm.${name ?? hexText(typecode)}[${instance}]`;
    if (name === undefined || bodyOffset >= DECODED_BYTES_MAX) {
      state.put("hvm", path, content);
      continue;
    }
    const fields = Object.entries(decodeHvmEntry(entry));
    const decoded = Object.fromEntries(fields.filter(([field]) => !MARKERS.has(field)));
    state.putAll("hvm", path, decoded);
    if (content.length > 0) {
      state.putWhole("hvm", path, content);
    }
  }
}
