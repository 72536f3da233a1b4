import type { RecordEvent } from "../codec/events.ts";
import {
  decodeHvmEntry,
  type HvmEntry,
  hvmEntryLayout,
  splitHvmContext,
} from "../codec/hvm-context.ts";
import { layoutFields } from "../codec/layout.ts";
import { HVM_DESCRIPTOR_BYTES, HVM_MSR_BYTES, HVM_MSR_HEAD_BYTES } from "../format/hvm-save.ts";
import { type BodyField, Names } from "./fields.ts";

/** The fields of HVM_CONTEXT, such as `HPET[0].config`: type, instance, and Xen's own name. */
export function* hvmContextFields(record: RecordEvent): Generator<BodyField> {
  const names = new Names();
  for (const entry of splitHvmContext(record).entries) {
    const { name, instance, bodyOffset } = entry;
    const layout = hvmEntryLayout(entry);
    if (layout === undefined) {
      continue;
    }
    const prefix = `${names.next(`${name}[${instance}]`)}.`;
    const at = bodyOffset + HVM_DESCRIPTOR_BYTES;
    const fields = [...layoutFields(layout, entry.content.length), ...msrFields(entry)];
    for (const { path, offset, scalar } of fields) {
      yield { path: `${prefix}${path}`, offset: at + offset, scalar };
    }
  }
}

/** The registers of CPU_MSR by their numbers. */
function* msrFields(entry: HvmEntry): Generator<BodyField> {
  const { msrs } = entry.name === "CPU_MSR" ? decodeHvmEntry(entry) : {};
  const names = new Names();
  for (const [index, item] of (Array.isArray(msrs) ? msrs : []).entries()) {
    const path = names.next(`msrs[${item.msr}]`);
    const offset = HVM_MSR_HEAD_BYTES + index * HVM_MSR_BYTES + 8;
    yield { path, offset, scalar: { type: "integer", bytes: 8, base: "hex" } };
  }
}
