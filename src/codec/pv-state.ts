import { PAGE_BYTES } from "../base/units.ts";
import { VCPU_MSR_BYTES } from "../format/libxc.ts";
import { msrName } from "../format/msr.ts";
import {
  type GuestWidth,
  PV_VCPU_BASIC,
  PV_VCPU_EXTENDED,
  PV_VCPU_MSR,
  SHARED_INFO,
} from "../format/pv-state.ts";
import { XSAVE_HEAD } from "../format/x86-state.ts";
import { type BodySource, decodeVcpuContext, failure } from "./bodies.ts";
import { type Decoded, type DecodedValue, decodeLayout } from "./layout.ts";
import { describeXsave } from "./xsave.ts";

/** Entries of X86_PV_VCPU_MSRS that are decoded; Xen sends fewer than ten. */
const MSRS_MAX = 256;

/**
 * The registers of X86_PV_VCPU_BASIC; page tables and descriptor tables are named by pfns.
 *
 * Of the table of traps only the entries that are set are given.
 *
 * @throws MigrationError RECORD_LENGTH
 */
export function decodePvVcpuBasic(source: BodySource, width: GuestWidth): Decoded {
  const { vcpuId, context } = decodeVcpuContext(source);
  const layout = PV_VCPU_BASIC[width];
  if (context.length < layout.sizeBytes) {
    throw failure(source, "RECORD_LENGTH", {
      bodyBytes: source.body.length,
      contextBytesMin: layout.sizeBytes,
    });
  }
  const decoded = decodeLayout(layout, context);
  const traps = list(decoded.trap_ctxt).filter((trap) => memberOf(trap, "address") !== "0x0");
  return { vcpu: vcpuId, ...decoded, trap_ctxt: traps };
}

/** What X86_PV_VCPU_EXTENDED holds. @throws MigrationError RECORD_LENGTH */
export function decodePvVcpuExtended(source: BodySource): Decoded {
  const { vcpuId, context } = decodeVcpuContext(source);
  return { ...decodeLayout(PV_VCPU_EXTENDED, context), vcpu: vcpuId };
}

/** The head of X86_PV_VCPU_XSAVE and the names of the components. @throws RECORD_LENGTH */
export function decodePvVcpuXsave(source: BodySource): Decoded {
  const { vcpuId, context } = decodeVcpuContext(source);
  const decoded = decodeLayout(XSAVE_HEAD, context);
  const extended = describeXsave(decoded.xstate_bv, context.length - XSAVE_HEAD.sizeBytes);
  return { vcpu: vcpuId, ...decoded, ...extended };
}

/** The entries of X86_PV_VCPU_MSRS. @throws MigrationError RECORD_LENGTH */
export function decodePvVcpuMsrs(source: BodySource): Decoded {
  const { vcpuId, context } = decodeVcpuContext(source);
  const count = context.length / VCPU_MSR_BYTES;
  if (!Number.isInteger(count) || count > MSRS_MAX) {
    throw failure(source, "RECORD_LENGTH", { bodyBytes: source.body.length, entriesMax: MSRS_MAX });
  }
  const msrs = Array.from({ length: count }, (_, index) => {
    const entry = decodeLayout(PV_VCPU_MSR, context.subarray(index * VCPU_MSR_BYTES));
    return { ...entry, name: msrName(Number(entry.msr)) ?? "" };
  });
  return { vcpu: vcpuId, msrs };
}

/**
 * What SHARED_INFO holds: the vCPUs with their numbers, and the ports of events by their numbers.
 *
 * Left out are vCPUs that are not told of here: zeros but for the mask of events.
 */
export function decodeSharedInfo({ body }: BodySource, width: GuestWidth): Decoded {
  const decoded = decodeLayout(SHARED_INFO[width], body);
  const [nothing] = list(decodeLayout(SHARED_INFO[width], new Uint8Array(PAGE_BYTES)).vcpu_info);
  const vcpus = list(decoded.vcpu_info)
    .map((info, vcpu) => ({ vcpu, info }))
    .filter(({ info }) => JSON.stringify(unmasked(info)) !== JSON.stringify(nothing))
    .map(({ vcpu, info }) => ({ vcpu, ...(isStructure(info) ? info : {}) }));
  return {
    ...decoded,
    vcpu_info: vcpus,
    evtchn_pending: portsOf(decoded.evtchn_pending, width),
    evtchn_mask: portsOf(decoded.evtchn_mask, width),
  };
}

/** Xen masks the events of vCPUs from the beginning. */
function unmasked(info: DecodedValue): DecodedValue {
  return isStructure(info) ? { ...info, evtchn_upcall_mask: "0x0" } : info;
}

/** The numbers of set bits, runs of them as `4-7`. */
function portsOf(words: DecodedValue | undefined, width: GuestWidth): readonly string[] {
  const wordBits = width * 8;
  const ports = list(words).flatMap((word, wordIndex) => {
    const bits = BigInt(typeof word === "string" ? word : 0);
    const all = Array.from({ length: wordBits }, (_, bit) => bit);
    const set = all.filter((bit) => ((bits >> BigInt(bit)) & 1n) !== 0n);
    return set.map((bit) => wordIndex * wordBits + bit);
  });
  const firsts = ports.filter((port, index) => port !== (ports[index - 1] ?? -2) + 1);
  const lasts = ports.filter((port, index) => port !== (ports[index + 1] ?? -2) - 1);
  return firsts.map((first, run) => (first === lasts[run] ? `${first}` : `${first}-${lasts[run]}`));
}

function list(value: DecodedValue | undefined): readonly DecodedValue[] {
  return Array.isArray(value) ? value : [];
}

function memberOf(value: DecodedValue, name: string): DecodedValue | undefined {
  return isStructure(value) ? value[name] : undefined;
}

function isStructure(value: DecodedValue): value is Decoded {
  return typeof value === "object" && !Array.isArray(value);
}
