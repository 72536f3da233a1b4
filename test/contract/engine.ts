/** The suites that every PageEngine passes, by room of the contract. */
export { argumentsContract } from "./engine-arguments.ts";
export { bitmapContract } from "./engine-bitmap.ts";
export { checksumContract } from "./engine-checksum.ts";
export { digestContract } from "./engine-digest.ts";
export { pageHeadContract } from "./engine-page-head.ts";
export { pagesContract } from "./engine-pages.ts";
