/** The short run of the engines' fuzz; `npm run fuzz` goes on longer and from other seeds. */
import "../fuzz/engine.fuzz.ts";
