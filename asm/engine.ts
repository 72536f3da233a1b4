export { FIRST_PTR, FLAGS_PTR, KEY_BYTES, KEY_PTR, REGION_BYTES, SECOND_PTR } from "./arena";
export { countBitmap, orBitmap, scanBitmap } from "./bitmap";
export { checksumPages } from "./checksum";
export { digestPages } from "./digest";
export { decodePageDataHead, encodePageDataHead } from "./page-head";
export { comparePages, findZeroPages } from "./pages";

/** Equal to ENGINE_ABI_VERSION in src/engine/types.ts; the loader compares them. */
export const ABI_VERSION: u32 = 2;
