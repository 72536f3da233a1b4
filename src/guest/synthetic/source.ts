import { BATCH_PAGES_MAX, PAGE_BYTES } from "../../base/units.ts";
import { numberField } from "../control.ts";
import type { OpenSource } from "../embedded.ts";
import type { GuestHandle } from "../handle.ts";
import type { LogDirty, SourceMemory } from "../types.ts";
import { octetsOf } from "./sink.ts";

/** The saving side's view of a synthetic guest; its memory has no windows. */
export function openSyntheticSource(handle: GuestHandle, pfnCount: number): OpenSource {
  return {
    memory: socketMemory(handle, pfnCount),
    logDirty: socketLogDirty(handle),
    close: () => undefined,
  };
}

function socketMemory(handle: GuestHandle, pfnCount: number): SourceMemory {
  return {
    pfnCount,
    windows: [],
    gather: async (pfns, outPages) => {
      for (let first = 0; first < pfns.length; first += BATCH_PAGES_MAX) {
        const batch = pfns.subarray(first, first + BATCH_PAGES_MAX);
        const start = first * PAGE_BYTES;
        const into = outPages.subarray(start, start + batch.length * PAGE_BYTES);
        await handle.request("read-pages", {}, { payload: octetsOf(batch), into });
      }
    },
    populated: async (outBitmap) => {
      await handle.request("populated", {}, { into: outBitmap });
    },
  };
}

function socketLogDirty(handle: GuestHandle): LogDirty {
  let found = new Uint8Array(0);
  return {
    method: "software",
    enable: async () => {
      await handle.request("log-dirty", { mode: "on" });
    },
    cleanDirty: async (outBitmap) => {
      if (found.length !== outBitmap.length) {
        found = new Uint8Array(outBitmap.length);
      }
      const { fields } = await handle.request("clean-dirty", {}, { into: found });
      found.forEach((octet, index) => {
        outBitmap[index]! |= octet;
      });
      return numberField(fields, "pages");
    },
    peekDirty: async () => numberField((await handle.request("peek-dirty")).fields, "pages"),
    disable: async () => {
      await handle.request("log-dirty", { mode: "off" });
    },
  };
}
