import { fileURLToPath } from "node:url";

/** The program that LIBXL_SAVE_HELPER is to name, of this installation. */
export const SAVE_HELPER = inDist("helper/main.cjs");

/** The program that LIBXL_CONVERT_HELPER is to name. */
export const CONVERT_HELPER = inDist("cli/convert-legacy-stream/main.js");

function inDist(name: string): string {
  return fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}
