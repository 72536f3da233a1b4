import type { RecordEvent } from "../codec/events.ts";
import {
  decodeEmulatorPart,
  decodeXenstoreData,
  encodeEmulatorPart,
  encodeXenstoreData,
} from "../codec/libxl-bodies.ts";
import { valueError } from "../codec/scalar.ts";
import { paddedBytes } from "../format/libxc.ts";
import { type ImageField, Names, orNone } from "./fields.ts";

/** The device model's keys, each a field below `root`; values are octets shown as latin1. */
export function xenstoreFields(
  record: RecordEvent,
  root: string,
): readonly ImageField<RecordEvent>[] {
  const pairs = orNone(() => decodeXenstoreData(record));
  const names = new Names();
  return pairs.map(({ key, value }, index) => ({
    path: `${root}.${names.next(key)}`,
    value,
    set: (text) => {
      if (!isLatin1(text)) {
        throw valueError(text, { wanted: "latin1 characters" });
      }
      const changed = pairs.map((pair, at) => (at === index ? { key, value: text } : pair));
      const part = { ...decodeEmulatorPart(record), data: encodeXenstoreData(changed) };
      const body = encodeEmulatorPart(part, record.byteOrder);
      return { ...record, body, padding: new Uint8Array(paddedBytes(body.length) - body.length) };
    },
  }));
}

/** Whether each character is an octet, and none the one that ends a value. */
function isLatin1(text: string): boolean {
  return Array.from(text, (one) => one.codePointAt(0)!).every((code) => code > 0 && code < 256);
}
