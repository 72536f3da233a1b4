import { fileURLToPath } from "node:url";

/** The program that LIBXL_SAVE_HELPER is to name, of this installation. */
export const SAVE_HELPER = fileURLToPath(new URL("../../dist/helper/main.js", import.meta.url));
