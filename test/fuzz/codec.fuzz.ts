import { MigrationError } from "../../src/base/errors.ts";
import { PushReader } from "../../src/codec/push.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { StreamVerifier } from "../../src/migration/stream-verifier.ts";
import { goldenStreams } from "../golden/build.ts";
import { join } from "../support/bytes.ts";
import { damage } from "../support/damage.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { chunksOf } from "../support/sources.ts";
import { type Random, seededRandom } from "../support/splitmix32.ts";

/** What a run of the fuzzer came to. */
export interface CodecFuzzResult {
  readonly streams: number;
  /** Streams that were read to their end, each also written again and compared. */
  readonly readable: number;
  /** How often each code was met. */
  readonly codes: Readonly<Record<string, number>>;
}

/**
 * Feeds damaged streams to the reader, the clauses and the writer.
 *
 * Anything but a MigrationError with a code and a place is thrown, with the seed in the message;
 * so is whatever could be read and is written differently.
 */
export function fuzzCodec(seed: number, streamCount: number): CodecFuzzResult {
  const goldens = [...goldenStreams().values()];
  const codes: Record<string, number> = {};
  let readable = 0;
  for (let index = 0; index < streamCount; index++) {
    const own = seed + index;
    const random = seededRandom(own);
    const bytes = damage(goldens[random.below(goldens.length)]!, random);
    try {
      const found = readAndCompare(bytes, random);
      readable += found.isReadable ? 1 : 0;
      for (const code of found.codes) {
        codes[code] = (codes[code] ?? 0) + 1;
      }
    } catch (error) {
      throw new Error(`seed ${own}: ${String(error)}`, { cause: error });
    }
  }
  return { streams: streamCount, readable, codes };
}

/**
 * Reads what may be a stream in pieces of any size, has its clauses checked, writes it again and
 * compares.
 *
 * @returns whether it could be read to its end, and the codes of all findings.
 */
export function readAndCompare(
  bytes: Uint8Array,
  random: Random,
): { readonly isReadable: boolean; readonly codes: readonly string[] } {
  const encoder = new StreamEncoder(plainHeadCodec);
  const verifier = new StreamVerifier({});
  const written: Uint8Array[] = [];
  const options = { purpose: "inspect", afterEnd: "read" } as const;
  let readBytes = 0;
  let error: unknown;
  try {
    const reader = new PushReader(
      plainHeadCodec,
      (event) => {
        verifier.take(event);
        written.push(...encoder.encode(event).map((chunk) => chunk.slice()));
      },
      options,
    );
    for (const chunk of chunksOf(bytes, () => 1 + random.below(5_000))) {
      readBytes += reader.write(chunk);
    }
    reader.end();
  } catch (caught) {
    error = caught;
  }
  if (error !== undefined) {
    checkError(error, bytes.length);
    verifier.fail(error, readBytes);
  }
  const { findings } = verifier.finish();
  const again = join(...written);
  if (Buffer.compare(again, bytes.subarray(0, again.length)) !== 0) {
    throw new Error("written differently than read");
  }
  if (error === undefined && again.length !== bytes.length) {
    throw new Error("read to its end, and written shorter");
  }
  return { isReadable: error === undefined, codes: findings.map(({ code }) => code) };
}

/** @throws Error it is not one of ours, or names no place in the stream. */
export function checkError(error: unknown, length: number): asserts error is MigrationError {
  if (!(error instanceof MigrationError)) {
    throw new Error("an error without a code", { cause: error });
  }
  const { offset } = error.where;
  if (typeof offset !== "number" || offset < 0 || offset > length) {
    throw new Error(`${error.code} at no place in the stream`, { cause: error });
  }
}
