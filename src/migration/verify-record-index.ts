import type { ByteOrder } from "../codec/steps.ts";

/** A PAGE_DATA to look at again. */
export interface IndexedRecord {
  readonly offset: number;
  readonly bodyBytes: number;
  readonly byteOrder: ByteOrder;
}

/** Values for each record: where it starts, its length, its lowest and its highest frame. */
const COLUMNS = 4;

/** Where PAGE_DATA records are and between which frames theirs lie: 32 octets a record. */
export class RecordIndex {
  #values = new Float64Array(COLUMNS * 256);
  #count = 0;
  #byteOrder: ByteOrder = "little";

  /** Takes a record down. @param pfns of it, at least one. */
  add({ offset, bodyBytes, byteOrder }: IndexedRecord, pfns: Uint32Array): void {
    if (this.#values.length === this.#count * COLUMNS) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    let [lowest, highest] = [pfns[0]!, pfns[0]!];
    for (const pfn of pfns) {
      lowest = Math.min(lowest, pfn);
      highest = Math.max(highest, pfn);
    }
    this.#values.set([offset, bodyBytes, lowest, highest], this.#count * COLUMNS);
    this.#count++;
    this.#byteOrder = byteOrder;
  }

  /** The records that may name `pfn`, the last first. */
  *recordsWith(pfn: number): Generator<IndexedRecord, void, undefined> {
    for (let record = this.#count - 1; record >= 0; record--) {
      const at = record * COLUMNS;
      const [offset, bodyBytes, lowest, highest] = this.#values.subarray(at, at + COLUMNS);
      if (pfn >= lowest! && pfn <= highest!) {
        yield { offset: offset!, bodyBytes: bodyBytes!, byteOrder: this.#byteOrder };
      }
    }
  }
}
