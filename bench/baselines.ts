import {
  listNativeVariants,
  loadNativeBaselines,
  loadNativeEngine,
  type NativeBaselines,
} from "#dist/engine/native.js";
import { createReferenceEngine } from "#dist/engine/reference/engine.js";
import { listEngines } from "#dist/engine/select.js";
import type { PageEngine, PageOperation } from "#dist/engine/types.js";
import type { Task } from "./case.ts";

/** Reads `bytes` once with the widest loads there are, or without an add-on as `memchr` does. */
export function plainRead(bytes: Uint8Array): Task {
  const native = nativeBaselines();
  if (native !== undefined) {
    return { name: "plain read", run: () => native.sumWords(bytes) };
  }
  // Written once, or all of it would be one page of zeros that the kernel shows everywhere.
  const others = Buffer.allocUnsafeSlow(bytes.length).fill(2);
  return { name: "memchr", run: () => others.indexOf(1) };
}

/** Lists set bits by a loop over words and trailing zeros, in C++ if there is an add-on. */
export function plainList(bitmap: Uint8Array, outPfns: Uint32Array): Task {
  const native = nativeBaselines();
  if (native !== undefined) {
    return { name: "ctz loop", run: () => native.listBits(bitmap, outPfns) };
  }
  const reference = createReferenceEngine();
  return { name: "TypeScript loop", run: () => reference.scanBitmap(bitmap, 0, outPfns) };
}

/** The native variants of `operation` that `engine`, a native one, has but does not run. */
export function otherVariants(
  engine: PageEngine,
  operation: PageOperation,
  run: (engine: PageEngine) => unknown,
): readonly Task[] {
  if (engine.name !== "native") {
    return [];
  }
  return listNativeVariants()
    [operation].filter((name) => name !== engine.variants[operation])
    .map((name) => {
      const other = loadNativeEngine({ [operation]: name });
      return { name: `native:${name}`, run: () => run(other) };
    });
}

/** Copies `batchBytes` consecutive bytes of `window`, others each time. */
export function plainCopy(window: Uint8Array, batchBytes: number): Task {
  const batch = Buffer.alloc(batchBytes);
  const from = Buffer.from(window.buffer, window.byteOffset, window.byteLength);
  let at = 0;
  return {
    name: "memcpy",
    run() {
      at = (at + batchBytes) % from.length;
      return from.copy(batch, 0, at, at + batchBytes);
    },
  };
}

function nativeBaselines(): NativeBaselines | undefined {
  const hasNative = listEngines().some(({ name, available }) => name === "native" && available);
  return hasNative ? loadNativeBaselines() : undefined;
}
