import { LITTLE_ENDIAN, PAGE_BYTES } from "../base/units.ts";
import type { Reading } from "../codec/steps.ts";
import {
  LEGACY_BLOCK,
  LEGACY_EXTENDED_INFO_BYTES_MAX,
  LEGACY_VCPU_EXTENDED_BYTES,
  LEGACY_XSAVE_BYTES_MAX,
} from "../format/legacy.ts";
import { SHARED_INFO_BYTES, VCPU_BASIC_BYTES } from "../format/libxc.ts";
import type { LegacyTail, LegacyVcpu } from "./events.ts";
import type { LegacyInput } from "./input.ts";

/** What extended info says of all vCPUs. */
export interface PvLayout {
  /** Octets of a guest's word. */
  readonly guestWidth: 4 | 8;
  /** Whether a vCPU's extended context, and its XSAVE area, follow its registers. */
  readonly hasExtended: boolean;
  readonly hasXsave: boolean;
}

/** Octets of a block's id and length. */
const BLOCK_HEAD_BYTES = 8;

/**
 * Reads extended info behind its marker. Blocks of other ids are passed over, as Xen does.
 *
 * @throws MigrationError LEGACY_EXTENDED_INFO, LEGACY_LENGTH
 * @source xc_domain_restore.c load_p2m_frame_list
 */
export function* readExtendedInfo(input: LegacyInput): Reading<PvLayout> {
  input.enter("extended info");
  const totalBytes = input.checkLength(yield* input.u32(), LEGACY_EXTENDED_INFO_BYTES_MAX);
  let rest = totalBytes;
  let guestWidth: 4 | 8 | undefined;
  let hasExtended = false;
  let hasXsave = false;
  while (rest > 0) {
    const head = Buffer.from((yield* input.cursor.exactly(BLOCK_HEAD_BYTES)).slice());
    const block = head.toString("latin1", 0, 4);
    const blockBytes = head.readUInt32LE(4);
    rest -= BLOCK_HEAD_BYTES + blockBytes;
    if (rest < 0) {
      throw input.error("LEGACY_EXTENDED_INFO", { block, blockBytes, totalBytes });
    }
    if (block === LEGACY_BLOCK.XSAVE) {
      hasXsave = yield* readXsaveBlock(input, blockBytes);
      continue;
    }
    if (block === LEGACY_BLOCK.VCPU) {
      guestWidth = guestWidthOf(input, blockBytes);
    }
    hasExtended ||= block === LEGACY_BLOCK.EXTENDED;
    yield* input.skip(blockBytes);
  }
  if (guestWidth === undefined) {
    throw input.error("LEGACY_EXTENDED_INFO", { problem: "no block tells the guest's word size" });
  }
  return { guestWidth, hasExtended, hasXsave };
}

/** The size is that of the first vCPU and not looked at: each says its own. */
function* readXsaveBlock(input: LegacyInput, blockBytes: number): Reading<boolean> {
  if (blockBytes < 4) {
    throw input.error("LEGACY_EXTENDED_INFO", { block: LEGACY_BLOCK.XSAVE, blockBytes });
  }
  const xsaveBytes = yield* input.u32();
  yield* input.skip(blockBytes - 4);
  return xsaveBytes !== 0;
}

function guestWidthOf(input: LegacyInput, blockBytes: number): 4 | 8 {
  if (blockBytes === VCPU_BASIC_BYTES[8]) {
    return 8;
  }
  if (blockBytes === VCPU_BASIC_BYTES[4]) {
    return 4;
  }
  throw input.error("LEGACY_EXTENDED_INFO", { block: LEGACY_BLOCK.VCPU, blockBytes });
}

/** Reads the frames of the guest's p2m: as many as hold a word of its own for each frame. */
export function* readP2mFrames(
  input: LegacyInput,
  { guestWidth }: PvLayout,
  pfnCount: number,
): Reading<BigUint64Array> {
  input.enter("p2m frames");
  const frameCount = Math.ceil((pfnCount * guestWidth) / PAGE_BYTES);
  const view = yield* input.view(frameCount * input.wordBytes);
  return BigUint64Array.from({ length: frameCount }, (_, index) =>
    input.width === 64
      ? view.getBigUint64(index * 8, LITTLE_ENDIAN)
      : BigInt(view.getUint32(index * 4, LITTLE_ENDIAN)),
  );
}

/**
 * Reads what follows a PV guest's pages.
 *
 * The list of frames without memory is passed over: what frames there are says the guest's table.
 *
 * @throws MigrationError LEGACY_LENGTH
 * @source xc_domain_restore.c buffer_tail_pv
 */
export function* readPvTail(
  input: LegacyInput,
  layout: PvLayout,
  { pfnCount, vcpuIds }: { readonly pfnCount: number; readonly vcpuIds: readonly number[] },
): Reading<LegacyTail> {
  input.enter("unmapped pfns");
  const unmappedCount = yield* input.u32();
  if (unmappedCount > pfnCount) {
    throw input.error("LEGACY_LENGTH", { unmappedCount, pfnCount });
  }
  yield* input.skip(unmappedCount * input.wordBytes);
  const vcpus: LegacyVcpu[] = [];
  for (const vcpuId of vcpuIds) {
    vcpus.push(yield* readVcpu(input, layout, vcpuId));
  }
  input.enter("shared info");
  return { guest: "pv", vcpus, sharedInfo: yield* input.copy(SHARED_INFO_BYTES) };
}

function* readVcpu(input: LegacyInput, layout: PvLayout, vcpuId: number): Reading<LegacyVcpu> {
  input.enter(`vcpu ${vcpuId}`);
  const basic = yield* input.copy(VCPU_BASIC_BYTES[layout.guestWidth]);
  const extended = layout.hasExtended ? yield* input.copy(LEGACY_VCPU_EXTENDED_BYTES) : undefined;
  const xsave = layout.hasXsave ? yield* readXsave(input) : undefined;
  return { vcpuId, basic, extended, xsave };
}

/** The mask of features, which the area has too; its size; the area. */
function* readXsave(input: LegacyInput): Reading<Uint8Array> {
  yield* input.u64();
  const xsaveBytes = input.checkLength(yield* input.u64(), LEGACY_XSAVE_BYTES_MAX);
  return yield* input.copy(xsaveBytes);
}
