import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodePvInfo, decodeVcpuContext } from "../../src/codec/bodies.ts";
import type { PageDataEvent, RecordEvent } from "../../src/codec/events.ts";
import { PAGE_TYPE } from "../../src/format/page-type.ts";
import { watchedEvents } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { buildProgram, compiler, sourcesOf } from "../support/native-program.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";

const PAGE_BYTES = 4096;
const COMPILE_TIMEOUT_MS = 180_000;
const CORE = compiler === undefined ? [] : sourcesOf("native/xen", /^pv_.*\.cc$/);
const shared = sharedFolder();
if (shared === undefined) {
  console.warn(`PV streams: skipped: ${NO_SHARED}`);
}

/** Kinds of items of test/native/pv_stream_driver.cc. */
const ITEM = { WIDTH: 1, TYPES: 2, TABLE: 3, VCPU: 4 } as const;

function item(kind: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = join(...parts);
  return join(new Uint8Array(Uint32Array.of(kind, body.length).buffer), body);
}

function word(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

const isTable = (pageType: number) =>
  (pageType >= PAGE_TYPE.L1TAB && pageType <= PAGE_TYPE.L4TAB) ||
  (pageType >= PAGE_TYPE.L1TAB_PIN && pageType <= PAGE_TYPE.L4TAB_PIN);

/** What a PV stream leaves at the receiver, as far as it is about frames. */
class PvStream {
  #width = 0;
  readonly #types = new Map<number, number>();
  readonly #tables = new Map<number, Uint8Array>();
  readonly #vcpus: Uint8Array[] = [];

  takeRecord(event: RecordEvent): void {
    if (event.name === "X86_PV_INFO") {
      this.#width = decodePvInfo(event).guestWidth;
    } else if (event.name === "X86_PV_VCPU_BASIC") {
      const { vcpuId, context } = decodeVcpuContext(event);
      this.#vcpus.push(item(ITEM.VCPU, word(vcpuId), context));
    }
  }

  takePages({ pfns, types, pages }: PageDataEvent): void {
    let at = 0;
    for (const [index, pfn] of pfns.entries()) {
      const pageType = types[index]!;
      this.#types.set(pfn, pageType);
      this.#tables.delete(pfn);
      if (isTable(pageType)) {
        this.#tables.set(pfn, pages.slice(at, at + PAGE_BYTES));
      }
      at += pageType < PAGE_TYPE.BROKEN ? PAGE_BYTES : 0;
    }
  }

  get tableCount(): number {
    return this.#tables.size;
  }

  get vcpuCount(): number {
    return this.#vcpus.length;
  }

  /** All of it for the driver. */
  items(): Uint8Array {
    const types = new Uint8Array(Math.max(...this.#types.keys()) + 1).fill(PAGE_TYPE.XTAB);
    for (const [pfn, pageType] of this.#types) {
      types[pfn] = pageType;
    }
    const tables = [...this.#tables].map(([pfn, page]) => item(ITEM.TABLE, word(pfn), page));
    const width = item(ITEM.WIDTH, word(this.#width));
    return join(width, item(ITEM.TYPES, types), ...tables, ...this.#vcpus);
  }
}

async function readStream(name: string): Promise<PvStream> {
  const image = await openImage(path.join(shared ?? "", "streams", `${name}.xl.zst`));
  const stream = new PvStream();
  try {
    for await (const event of watchedEvents(image, { pageDataHead: plainHeadCodec })) {
      if (event.kind === "record") {
        stream.takeRecord(event);
      } else if (event.kind === "page-data") {
        stream.takePages(event);
      }
    }
  } finally {
    await image.close();
  }
  return stream;
}

const title = compiler === undefined ? "PV core (skipped: needs a C++ compiler)" : "PV core";

describe.skipIf(compiler === undefined)(title, () => {
  test("passes its own tests", { timeout: COMPILE_TIMEOUT_MS }, () => {
    const sources = [...CORE, ...sourcesOf("test/native/pv", /\.cc$/)];
    const program = buildProgram("pv-tests", sources);
    const { status, stdout } = spawnSync(program, { encoding: "utf8" });
    expect(stdout).toMatch(/^\d+ checks, 0 failures\n$/);
    expect(status).toBe(0);
  });

  describe.skipIf(shared === undefined)("takes real streams to another machine and back", () => {
    let folder: string;
    let driver: string;

    beforeAll(() => {
      folder = mkdtempSync(path.join(tmpdir(), "xenferry-pv-"));
      driver = buildProgram("pv-stream-driver", [...CORE, "test/native/pv_stream_driver.cc"]);
    }, COMPILE_TIMEOUT_MS);

    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test.each([
      "xen-4.17-pv64-save",
      "xen-4.17-pv64live-live",
      "xen-4.17-pv32-save",
      "xen-4.17-pv32-live",
    ])("%s", { timeout: COMPILE_TIMEOUT_MS }, async (name) => {
      const stream = await readStream(name);
      const file = path.join(folder, name);
      writeFileSync(file, stream.items());
      const { status, stdout } = spawnSync(driver, [file], { encoding: "utf8" });
      const [, tables, changed, vcpus] = /tables (\d+) changed (\d+) vcpus (\d+)/.exec(stdout)!;
      expect(Number(tables)).toBe(stream.tableCount);
      expect(Number(changed)).toBeGreaterThan(0);
      expect(Number(vcpus)).toBe(stream.vcpuCount);
      expect(stdout).toContain("differences 0\n");
      expect(status).toBe(0);
    });
  });
});
