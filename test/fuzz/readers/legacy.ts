import { MigrationError } from "../../../src/base/errors.ts";
import { PushReader } from "../../../src/codec/push.ts";
import { Cursor, IDENT_BYTES } from "../../../src/codec/steps.ts";
import { StreamEncoder } from "../../../src/codec/stream-writer.ts";
import type { PageKeeper } from "../../../src/legacy/checkpoint-pages.ts";
import { convertLegacy } from "../../../src/legacy/convert.ts";
import { pullLegacy } from "../../../src/legacy/pull.ts";
import { join } from "../../support/bytes.ts";
import { plainHeadCodec } from "../../support/head-codec.ts";
import { sourceOf } from "../../support/sources.ts";
import type { Random } from "../../support/splitmix32.ts";
import { checkError } from "../codec.fuzz.ts";

/**
 * Converts what may be a legacy stream, and reads the result.
 *
 * @throws Error an error without a code or place; a result that cannot be read.
 */
export async function readLegacyDamaged(bytes: Uint8Array, random: Random): Promise<string> {
  if (bytes.length < IDENT_BYTES) {
    return "too short";
  }
  const source = sourceOf(bytes, () => 1 + random.below(5_000));
  const cursor = new Cursor({});
  const ident = (await source.exactly(IDENT_BYTES)).slice();
  cursor.offset = IDENT_BYTES;
  const encoder = new StreamEncoder(plainHeadCodec);
  const written: Uint8Array[] = [];
  const emulator = random.below(4) === 0 ? "leave" : "read";
  const handOver = { kind: "legacy-hand-over", cursor, xl: undefined, ident } as const;
  try {
    const events = pullLegacy(source, handOver, { emulator });
    const options = { format: "libxl", xl: undefined, offset: 0, keepPages } as const;
    for await (const event of convertLegacy(events, options)) {
      written.push(...encoder.encode(event).map((chunk) => chunk.slice()));
    }
  } catch (error) {
    checkError(error, bytes.length);
    return `${error.code} ${String(error.where.record)}`;
  }
  return `converted, ${readConverted(join(...written))} kinds of records`;
}

function readConverted(bytes: Uint8Array): number {
  const names = new Set<string>();
  const reader = new PushReader(plainHeadCodec, (event) => {
    names.add(event.kind === "record" ? `${event.layer} ${event.type}` : event.kind);
  });
  try {
    reader.write(bytes);
    reader.end();
  } catch (error) {
    const code = error instanceof MigrationError ? error.code : "crash";
    throw new Error(`the result cannot be read: ${code}`, { cause: error });
  }
  return names.size;
}

/** Pages of later checkpoints, in memory: inputs are small. */
async function keepPages(): Promise<PageKeeper> {
  const kept: Uint8Array[] = [];
  return {
    put: async (page) => {
      kept.push(page.slice());
      return (kept.length - 1) * page.length;
    },
    readAt: async (place, out) => {
      out.set(join(...kept).subarray(place, place + out.length));
    },
    close: async () => undefined,
  };
}
