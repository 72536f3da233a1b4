import { LITTLE_ENDIAN } from "../base/units.ts";
import { viewOf } from "../codec/steps.ts";
import {
  LEGACY_PHYSMAP_HEAD_BYTES,
  LEGACY_PHYSMAP_SLACK_BYTES,
  LEGACY_TOOLSTACK_VERSION,
} from "../format/legacy.ts";
import type { LegacyPhysmap } from "./events.ts";
import type { LegacyInput } from "./input.ts";

/** Octets of version and count. */
const HEAD_BYTES = 8;

/**
 * Decodes the body of libxl's chunk: where the device model has moved memory of the guest to.
 *
 * What follows the last entry is ignored, and so is what a 64-bit toolstack leaves behind names.
 *
 * @throws MigrationError LEGACY_TOOLSTACK
 * @source libxl_dom.c libxl__toolstack_save, libxl__toolstack_restore
 */
export function decodeToolstack(input: LegacyInput, body: Uint8Array): readonly LegacyPhysmap[] {
  if (body.length < HEAD_BYTES) {
    throw input.error("LEGACY_TOOLSTACK", { bodyBytes: body.length });
  }
  const view = viewOf(body);
  const version = view.getUint32(0, LITTLE_ENDIAN);
  if (version !== LEGACY_TOOLSTACK_VERSION) {
    throw input.error("LEGACY_TOOLSTACK", { version });
  }
  const count = view.getUint32(4, LITTLE_ENDIAN);
  const entries: LegacyPhysmap[] = [];
  let at = HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    if (at + LEGACY_PHYSMAP_HEAD_BYTES > body.length) {
      throw input.error("LEGACY_TOOLSTACK", { index, count, problem: "an entry is cut off" });
    }
    const nameBytes = view.getUint32(at + 24, LITTLE_ENDIAN);
    const nameAt = at + LEGACY_PHYSMAP_HEAD_BYTES;
    const end = nameAt + nameBytes + LEGACY_PHYSMAP_SLACK_BYTES[input.width];
    if (end > body.length) {
      throw input.error("LEGACY_TOOLSTACK", { index, count, problem: "a name is cut off" });
    }
    entries.push({
      physOffset: view.getBigUint64(at, LITTLE_ENDIAN),
      startAddress: view.getBigUint64(at + 8, LITTLE_ENDIAN),
      sizeBytes: view.getBigUint64(at + 16, LITTLE_ENDIAN),
      name: decodeName(input, body.subarray(nameAt, nameAt + nameBytes)),
    });
    at = end;
  }
  return entries;
}

/** A name with its final NUL; one of no octets is none. */
function decodeName(input: LegacyInput, bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) {
    return undefined;
  }
  if (bytes.indexOf(0) !== bytes.length - 1) {
    throw input.error("LEGACY_TOOLSTACK", { problem: "a name does not end with its only NUL" });
  }
  return Buffer.from(bytes.subarray(0, -1)).toString("latin1");
}
