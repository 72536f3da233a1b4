import { MigrationError } from "../base/errors.ts";
import type { RecordEvent } from "../codec/events.ts";
import type { ByteOrder } from "../codec/steps.ts";

/**
 * Octets of records that are held.
 *
 * @inferred libxc has no limit; the state of 128 vCPUs and a device model is a few MiB.
 */
const HELD_BYTES_MAX = 256 * 1024 * 1024;

/** What an empty one takes up. */
const HELD_BYTES_OF_NONE = 512;

/**
 * The state of a guest as of its last whole checkpoint: copies of records, of which those of a type
 * that comes again after it replace the earlier ones.
 */
export class HeldRecords {
  #whole: readonly RecordEvent[] = [];
  #later: RecordEvent[] = [];
  #bytes = 0;
  #byteOrder: ByteOrder = "little";

  /** Of the records. */
  get byteOrder(): ByteOrder {
    return this.#byteOrder;
  }

  /** Keeps a copy of a record. @throws MigrationError CHECKPOINT_TOO_LONG */
  take(record: RecordEvent): void {
    this.#byteOrder = record.byteOrder;
    this.#bytes += heldBytes(record);
    if (this.#bytes > HELD_BYTES_MAX) {
      const { offset, layer, name } = record;
      const facts = { offset, layer, record: name, bytesMax: HELD_BYTES_MAX };
      throw new MigrationError("CHECKPOINT_TOO_LONG", facts);
    }
    const copy = { body: record.body.slice(), padding: record.padding.slice() };
    this.#later.push({ ...record, ...copy });
  }

  /** What came since the last call counts. */
  commit(): void {
    const types = new Set(this.#later.map(typeOf));
    const kept = this.#whole.filter((record) => !types.has(typeOf(record)));
    this.#whole = [...kept, ...this.#later];
    this.#bytes = this.#whole.reduce((sum, record) => sum + heldBytes(record), 0);
    this.#later = [];
  }

  /** What came since the last call of {@link commit} does not count. */
  discard(): void {
    this.#later = [];
  }

  /** The records of a layer that count. */
  of(layer: "libxl" | "libxc"): readonly RecordEvent[] {
    return this.#whole.filter((record) => record.layer === layer);
  }
}

function heldBytes({ body }: RecordEvent): number {
  return HELD_BYTES_OF_NONE + body.length;
}

function typeOf({ layer, type }: RecordEvent): string {
  return `${layer} ${type}`;
}
