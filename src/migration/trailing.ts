import { LITTLE_ENDIAN } from "../base/units.ts";
import type { TrailingEvent } from "../codec/events.ts";
import { viewOf } from "../codec/steps.ts";
import { LEGACY_EMULATOR, LEGACY_EMULATOR_SIGNATURE_BYTES } from "../format/legacy.ts";
import { XL_SENTENCE, type XlSentenceName, xlSentence } from "../format/xl.ts";

/** Octets of what follows a stream that are kept to look at. */
const KEPT_BYTES_MAX = 80;

/** Gathers what follows the end of a stream. */
export class Trailing {
  #byteCount = 0;
  #kept = new Uint8Array(0);

  /** Takes the next octets. */
  take(event: TrailingEvent): void {
    const wanted = event.bytes.subarray(0, KEPT_BYTES_MAX - this.#kept.length);
    this.#kept = new Uint8Array(Buffer.concat([this.#kept, wanted]));
    this.#byteCount += event.bytes.length;
  }

  /** How many octets followed. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** The first 80 of them as text. */
  get text(): string {
    return new TextDecoder().decode(this.#kept);
  }

  /**
   * Whether they are a device model's state as it followed a legacy stream of libxc, whole and
   * alone: converters to libxc's format copy it.
   */
  get isDeviceModel(): boolean {
    const signature = Buffer.from(this.#kept.subarray(0, LEGACY_EMULATOR_SIGNATURE_BYTES));
    const name = signature.toString("latin1");
    if (name === LEGACY_EMULATOR.UNTIL_END) {
      return true;
    }
    const headBytes = LEGACY_EMULATOR_SIGNATURE_BYTES + 4;
    return (
      (name === LEGACY_EMULATOR.LIBXL || name === LEGACY_EMULATOR.REMUS) &&
      this.#kept.length >= headBytes &&
      this.#byteCount === headBytes + viewOf(this.#kept).getUint32(headBytes - 4, LITTLE_ENDIAN)
    );
  }

  /** Which of xl's hand-shake sentences they are, whole and alone, as in a captured migration. */
  get sentence(): XlSentenceName | undefined {
    const names = Object.keys(XL_SENTENCE) as XlSentenceName[];
    return names.find((name) => {
      const sentence = xlSentence(name);
      return this.#byteCount === sentence.length && Buffer.compare(sentence, this.#kept) === 0;
    });
  }
}
