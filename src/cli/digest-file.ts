import { open } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import { decodeDigestFile, type MemoryTable } from "../codec/digest-file.ts";
import { DIGEST_FILE } from "../format/digest.ts";

/** Largest digest that is read, of a guest with 2 TiB. */
const BYTES_MAX = 2 ** 31;

/**
 * Reads a digest from a file. Of one that is none, only the first octets are read.
 *
 * @throws MigrationError TRANSPORT_OPEN, DIGEST_*
 */
export async function readDigestFile(path: string): Promise<MemoryTable> {
  const bytes = await readWhole(path).catch((error: unknown) => {
    throw error instanceof MigrationError
      ? error
      : new MigrationError("TRANSPORT_OPEN", { path }, error);
  });
  try {
    return decodeDigestFile(bytes);
  } catch (error) {
    throw error instanceof MigrationError
      ? new MigrationError(error.code, { path, ...error.where })
      : error;
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read({ buffer: new Uint8Array(8), position: 0 });
    const { size } = await file.stat();
    const ident = new DataView(buffer.buffer).getBigUint64(0);
    if (ident !== DIGEST_FILE.ident || size > BYTES_MAX) {
      throw new MigrationError("DIGEST_NOT", { path, bytes: size });
    }
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const { bytesRead } = await file.read(bytes, done, size - done, done);
      if (bytesRead === 0) {
        return bytes.subarray(0, done);
      }
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
