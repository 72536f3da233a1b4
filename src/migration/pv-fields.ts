import { decodePvInfo, decodeVcpuContext } from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import { layoutFields } from "../codec/layout.ts";
import { decodePvVcpuMsrs } from "../codec/pv-state.ts";
import type { Layout } from "../format/layout.ts";
import {
  LIBXC_RECORD,
  VCPU_BASIC_BYTES,
  VCPU_HEAD_BYTES,
  VCPU_MSR_BYTES,
} from "../format/libxc.ts";
import {
  type GuestWidth,
  PV_VCPU_BASIC,
  PV_VCPU_EXTENDED,
  SHARED_INFO,
} from "../format/pv-state.ts";
import { XSAVE_HEAD } from "../format/x86-state.ts";
import { type BodyField, Names, orNone } from "./fields.ts";
import type { RecordFields } from "./record-fields.ts";

/** Finds the fields of a PV guest's records, which depend on the width that one of them tells. */
export class PvFields {
  #guestWidth: GuestWidth | undefined;

  /** Takes down what the record says of the guest. */
  take(record: RecordEvent): void {
    if (record.type === LIBXC_RECORD.X86_PV_INFO) {
      const [width] = orNone(() => [decodePvInfo(record).guestWidth]);
      this.#guestWidth = width === 4 || width === 8 ? width : undefined;
    }
  }

  /** What a record of a PV guest's state holds; `undefined` of all others. */
  of(record: RecordEvent): RecordFields | undefined {
    if (record.type === LIBXC_RECORD.SHARED_INFO) {
      const width = this.#guestWidth;
      const layout = width === undefined ? undefined : SHARED_INFO[width];
      return layout && { root: "shared-info", fields: ({ body }) => inBody(layout, body) };
    }
    const [vcpu] = orNone(() => [decodeVcpuContext(record).vcpuId]);
    const root = `vcpus[${vcpu}]`;
    switch (vcpu === undefined ? undefined : record.type) {
      case LIBXC_RECORD.X86_PV_VCPU_BASIC:
        return { root, fields: (current) => inContext(this.#basicLayout(current), current) };
      case LIBXC_RECORD.X86_PV_VCPU_EXTENDED:
        return { root: `${root}.extended`, fields: extendedFields };
      case LIBXC_RECORD.X86_PV_VCPU_XSAVE:
        return { root: `${root}.xsave`, fields: (current) => inContext(XSAVE_HEAD, current) };
      case LIBXC_RECORD.X86_PV_VCPU_MSRS:
        return { root: `${root}.msrs`, fields: msrFields };
      default:
        return undefined;
    }
  }

  /** Where X86_PV_INFO is missing, the length tells the width. */
  #basicLayout({ body }: RecordEvent): Layout {
    const is32Bit = body.length - VCPU_HEAD_BYTES === VCPU_BASIC_BYTES[4];
    return PV_VCPU_BASIC[this.#guestWidth ?? (is32Bit ? 4 : 8)];
  }
}

function inBody(layout: Layout, body: Uint8Array): Iterable<BodyField> {
  return layoutFields(layout, body.length);
}

function* inContext(layout: Layout, { body }: RecordEvent): Generator<BodyField> {
  for (const field of layoutFields(layout, body.length - VCPU_HEAD_BYTES)) {
    yield { ...field, offset: VCPU_HEAD_BYTES + field.offset };
  }
}

/** Which vCPU it is of is what leads to the record. */
function* extendedFields(record: RecordEvent): Generator<BodyField> {
  for (const field of inContext(PV_VCPU_EXTENDED, record)) {
    if (field.path !== "vcpu") {
      yield field;
    }
  }
}

function* msrFields(record: RecordEvent): Generator<BodyField> {
  const { msrs } = decodePvVcpuMsrs(record);
  const names = new Names();
  for (const [index, item] of (Array.isArray(msrs) ? msrs : []).entries()) {
    const offset = VCPU_HEAD_BYTES + index * VCPU_MSR_BYTES + 8;
    const path = names.next(`[${item.msr}]`);
    yield { path, offset, scalar: { type: "integer", bytes: 8, base: "hex" } };
  }
}
