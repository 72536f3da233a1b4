import { LITTLE_ENDIAN } from "../base/units.ts";
import type { Reading } from "../codec/steps.ts";
import {
  LEGACY_EMULATOR,
  LEGACY_EMULATOR_SIGNATURE_BYTES,
  LEGACY_STATE_BYTES_MAX,
  LEGACY_TAIL_PARAMS,
} from "../format/legacy.ts";
import type { LegacyEmulator, LegacyParam } from "./events.ts";
import type { LegacyInput } from "./input.ts";

/** Octets that are asked for at a time where there is no length. */
const PIECE_BYTES = 64 * 1024;

/** What follows an HVM guest's pages in libxc's stream. */
export interface HvmTail {
  readonly params: readonly LegacyParam[];
  readonly context: Uint8Array;
}

/** Reads it. @throws MigrationError LEGACY_LENGTH @source xc_domain_restore.c buffer_tail_hvm */
export function* readHvmTail(input: LegacyInput): Reading<HvmTail> {
  input.enter("hvm tail");
  const view = yield* input.view(LEGACY_TAIL_PARAMS.length * 8);
  const params = LEGACY_TAIL_PARAMS.map((index, position) => ({
    index,
    value: view.getBigUint64(position * 8, LITTLE_ENDIAN),
  }));
  const contextBytes = input.checkLength(yield* input.u32(), LEGACY_STATE_BYTES_MAX);
  return { params, context: yield* input.copy(contextBytes) };
}

/** Whether an emulator's signature starts with the word that was read as a chunk's id. */
export function startsEmulator(word: number): boolean {
  const start = wordBytes(word).toString("latin1");
  return Object.values(LEGACY_EMULATOR).some((signature) => signature.startsWith(start));
}

/**
 * Reads the device model's state, which libxl or xend wrote behind libxc's stream.
 *
 * @param firstWord the first four octets of the signature where they were read already.
 * @throws MigrationError LEGACY_EMULATOR, LEGACY_LENGTH
 */
export function* readEmulator(input: LegacyInput, firstWord?: number): Reading<LegacyEmulator> {
  const already = firstWord === undefined ? new Uint8Array(0) : wordBytes(firstWord);
  input.cursor.enterRecord("device model", input.cursor.offset - already.length);
  const rest = yield* input.cursor.exactly(LEGACY_EMULATOR_SIGNATURE_BYTES - already.length);
  const signature = Buffer.concat([already, rest]);
  switch (signature.toString("latin1")) {
    case LEGACY_EMULATOR.LIBXL:
    case LEGACY_EMULATOR.REMUS: {
      const length = yield* input.copy(4);
      const stateBytes = Buffer.from(length).readUInt32LE();
      input.checkLength(stateBytes, LEGACY_STATE_BYTES_MAX);
      return { head: Buffer.concat([signature, length]), state: yield* input.copy(stateBytes) };
    }
    case LEGACY_EMULATOR.UNTIL_END:
      return { head: signature, state: yield* readUntilEnd(input) };
    default:
      throw input.error("LEGACY_EMULATOR", {
        signature: JSON.stringify(signature.toString("latin1")),
        known: Object.values(LEGACY_EMULATOR),
      });
  }
}

function* readUntilEnd(input: LegacyInput): Reading<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  for (;;) {
    const piece = yield* input.cursor.some(PIECE_BYTES);
    if (piece === undefined) {
      return new Uint8Array(Buffer.concat(pieces));
    }
    byteCount += piece.length;
    input.checkLength(byteCount, LEGACY_STATE_BYTES_MAX);
    pieces.push(piece.slice());
  }
}

function wordBytes(word: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(word | 0);
  return bytes;
}
