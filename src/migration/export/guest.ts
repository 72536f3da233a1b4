import { decodePvInfo, decodeVcpuContext } from "../../codec/bodies.ts";
import {
  type CpuRegisters,
  hvmCpuRegisters,
  pvCpuRegisters,
  wordOf,
} from "../../codec/cpu-registers.ts";
import { hvmGuestContext } from "../../codec/guest-context.ts";
import { decodeHvmEntry, splitHvmContext } from "../../codec/hvm-context.ts";
import { decodePvVcpuBasic } from "../../codec/pv-state.ts";
import { GUEST_TYPE, LIBXC_RECORD } from "../../format/libxc.ts";
import type { GuestWidth } from "../../format/pv-state.ts";
import type { FinalMemory } from "../final-memory.ts";
import type { ImageContents, KeptRecord } from "../image-contents.ts";
import { VcpuPaging } from "../vcpu-paging.ts";

/** Octets that FXSAVE writes, with which CPU and X86_PV_VCPU_BASIC start. */
const FXSAVE_BYTES = 512;

/** A vCPU as a core file tells of it. */
export interface ExportedVcpu {
  readonly id: number;
  readonly registers: CpuRegisters;
  /** The 512 octets that FXSAVE writes. */
  readonly fxsave: Uint8Array;
  /** Xen's vcpu_guest_context, of 32-bit PV guests the shorter one. */
  readonly context: Uint8Array;
}

/** What core files are made of. */
export interface ExportedGuest {
  readonly kind: "pv" | "hvm";
  /** Octets of a word of the kernel: 8 if a vCPU of an HVM guest is in long mode. */
  readonly width: GuestWidth;
  readonly xen: { readonly major: number; readonly minor: number };
  /** By rising number. */
  readonly vcpus: readonly ExportedVcpu[];
  readonly sharedInfo: Uint8Array | undefined;
  readonly memory: FinalMemory;
  readonly paging: VcpuPaging;
}

/**
 * Finds what is exported. Of records that come again, at checkpoints, the last count.
 *
 * @throws MigrationError RECORD_LENGTH, RECORD_VALUE registers cannot be decoded.
 */
export function exportedGuest({ domain, records, memory }: ImageContents): ExportedGuest {
  const kind = domain?.guestType === GUEST_TYPE.X86_PV ? "pv" : "hvm";
  const { xenMajor: major = 0, xenMinor: minor = 0 } = domain ?? {};
  const paging = new VcpuPaging();
  const of = (type: number) =>
    records.filter((record) => record.layer === "libxc" && record.type === type);
  const pv = kind === "pv" ? pvGuest(of, paging) : undefined;
  const vcpus = pv?.vcpus ?? hvmVcpus(of(LIBXC_RECORD.HVM_CONTEXT).at(-1), paging);
  const isLongMode = vcpus.some(({ registers }) => registers.isLongMode);
  return {
    kind,
    width: pv?.width ?? (isLongMode || vcpus.length === 0 ? 8 : 4),
    xen: { major, minor },
    vcpus: vcpus.toSorted((one, other) => one.id - other.id),
    sharedInfo: of(LIBXC_RECORD.SHARED_INFO).at(-1)?.body,
    memory: memory.final(),
    paging,
  };
}

function pvGuest(of: (type: number) => readonly KeptRecord[], paging: VcpuPaging) {
  const info = of(LIBXC_RECORD.X86_PV_INFO).at(-1);
  const { guestWidth, ptLevels } = info === undefined ? PV_64 : decodePvInfo(info);
  const width: GuestWidth = guestWidth === 4 ? 4 : 8;
  paging.setPvLevels(ptLevels);
  const vcpus = new Map<number, ExportedVcpu>();
  for (const record of of(LIBXC_RECORD.X86_PV_VCPU_BASIC)) {
    const decoded = decodePvVcpuBasic(record, width);
    const { vcpuId: id, context } = decodeVcpuContext(record);
    paging.addPv(decoded);
    const fxsave = context.subarray(0, FXSAVE_BYTES);
    vcpus.set(id, { id, registers: pvCpuRegisters(decoded, width), fxsave, context });
  }
  return { width, vcpus: [...vcpus.values()] };
}

/** What a PV guest is taken for whose stream does not say. */
const PV_64 = { guestWidth: 8, ptLevels: 4 } as const;

function hvmVcpus(context: KeptRecord | undefined, paging: VcpuPaging): readonly ExportedVcpu[] {
  if (context === undefined) {
    return [];
  }
  const { entries, error } = splitHvmContext(context);
  if (error !== undefined) {
    throw error;
  }
  return entries
    .filter(({ name }) => name === "CPU")
    .map((entry) => {
      const decoded = decodeHvmEntry(entry);
      const registers = hvmCpuRegisters(decoded);
      const fxsave = new Uint8Array(FXSAVE_BYTES);
      fxsave.set(entry.content.subarray(0, FXSAVE_BYTES));
      paging.addHvm(entry.instance, decoded);
      const shadowGs = wordOf(decoded.shadow_gs);
      const guestContext = hvmGuestContext(registers, { fxsave, shadowGs });
      return { id: entry.instance, registers, fxsave, context: guestContext };
    });
}
