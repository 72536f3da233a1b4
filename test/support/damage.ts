import { join } from "./bytes.ts";

/** Flips bits, sets fields to extreme values, cuts, repeats and removes pieces. */
export function damage(sound: Uint8Array, random: { below(limit: number): number }): Uint8Array {
  let bytes: Uint8Array = sound.slice();
  for (let times = 1 + random.below(3); times > 0; times--) {
    // Most octets are pages, which nothing looks into: headers lie at multiples of 8 elsewhere.
    const at = random.below(Math.min(bytes.length, random.below(2) === 0 ? 400 : bytes.length));
    const field = at - (at % 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    switch (random.below(6)) {
      case 0:
      case 1:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 2:
        if (field + 4 <= bytes.length) {
          const extremes = [0, 1, 8, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0800_0000];
          view.setUint32(field, extremes[random.below(extremes.length)]!, true);
        }
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4:
        bytes = join(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 8)));
        break;
      default:
        bytes = join(bytes.subarray(0, at), bytes.subarray(at - (at % 8), at), bytes.subarray(at));
    }
    if (bytes.length === 0) {
      break;
    }
  }
  return bytes;
}
