import type { PageDataEvent, RecordEvent, StreamEvent } from "../../src/codec/events.ts";
import { pullEvents } from "../../src/codec/pull.ts";
import { join, octetsIn } from "./bytes.ts";
import { copyEvent } from "./events.ts";
import { plainHeadCodec } from "./head-codec.ts";
import { LegacyParts } from "./legacy-writer.ts";
import { sourceOf } from "./sources.ts";

const o = octetsIn("little");

/** Chunk ids by the HVM param that they carry. */
const PARAM_CHUNKS: ReadonlyMap<number, number> = new Map([
  [34, -14],
  [12, -3],
  [27, -15],
  [28, -16],
  [29, -17],
  [15, -4],
  [17, -8],
  [19, -10],
  [9, -11],
  [32, -19],
  [33, -20],
  [36, -21],
]);

const EMULATOR = "DeviceModelRecord0002";

/** What a vCPU's records hold, by their types. */
type Vcpus = Map<number, Partial<Record<4 | 5 | 6, Uint8Array>>>;

/**
 * The image that Xen 4.5 would have saved of the guest of a Migration v2 image: the same memory and
 * state, but for what the old format has no place for (CPU policies, MSRs of PV guests).
 */
export async function legacyOfV2(image: Uint8Array, width: 32 | 64): Promise<Uint8Array> {
  const writer = new LegacyImage(new LegacyParts(width));
  for await (const event of pullEvents(sourceOf(image), plainHeadCodec)) {
    writer.take(copyEvent(event));
  }
  return writer.finish();
}

class LegacyImage {
  readonly #old: LegacyParts;
  readonly #body: Uint8Array[] = [];
  readonly #params = new Map<number, bigint>();
  readonly #vcpus: Vcpus = new Map();
  #header: Uint8Array = new Uint8Array(0);
  #guestWidth: 4 | 8 = 8;
  #pfnCount = 0;
  #p2mFrames: Uint8Array = new Uint8Array(0);
  #context: Uint8Array = new Uint8Array(0);
  #sharedInfo: Uint8Array = new Uint8Array(0);
  #toolstack: Uint8Array;
  /** An HVM guest's stream has one, whether there is a device model or not. */
  #emulator: Uint8Array;

  constructor(old: LegacyParts) {
    this.#old = old;
    this.#toolstack = old.toolstack();
    this.#emulator = old.emulator(EMULATOR, new Uint8Array(0));
  }

  take(event: StreamEvent): void {
    if (event.kind === "xl-header") {
      const config = Buffer.from(event.header.config!).toString("latin1").replace(/\0.*$/s, "");
      this.#header = this.#old.xlHeader(config, 1);
    } else if (event.kind === "page-data") {
      this.#takePages(event);
    } else if (event.kind === "record" && event.layer === "libxc") {
      this.#takeLibxc(event);
    } else if (event.kind === "record") {
      this.#takeLibxl(event);
    }
  }

  finish(): Uint8Array {
    const old = this.#old;
    const isPv = this.#p2mFrames.length > 0;
    return join(
      this.#header,
      old.p2mSize(this.#pfnCount),
      ...(isPv ? [this.#extendedInfo(), this.#p2mFrames] : []),
      ...this.#body,
      ...(isPv ? [this.#vcpuInfo()] : [...this.#paramChunks()]),
      this.#toolstack,
      old.chunk(-9),
      old.end(),
      ...(isPv ? [this.#pvTail()] : [this.#hvmTail(), this.#emulator]),
    );
  }

  /** A batch has at most 1,024 pages, as PAGE_DATA of Xen's own. */
  #takePages({ pfns, types, pages }: PageDataEvent): void {
    const words = Array.from(pfns, (pfn, at) => ((types[at]! << 28) | pfn) >>> 0);
    this.#body.push(o.u32(words.length), this.#old.ulong(...words), pages);
    this.#pfnCount = pfns.reduce((most, pfn) => Math.max(most, pfn + 1), this.#pfnCount);
  }

  #takeLibxc({ type, body }: RecordEvent): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    switch (type) {
      case 2:
        this.#guestWidth = body[0] === 8 ? 8 : 4;
        break;
      case 3: {
        const words = (body.length - 8) / 8;
        const pfns = Array.from({ length: words }, (_, at) => view.getBigUint64(8 + 8 * at, true));
        this.#pfnCount = view.getUint32(4, true) + 1;
        this.#p2mFrames = this.#old.ulong(...pfns);
        break;
      }
      case 4:
      case 5:
      case 6: {
        const id = view.getUint32(0, true);
        this.#vcpus.set(id, { ...this.#vcpus.get(id), [type]: body.slice(8) });
        break;
      }
      case 7:
        this.#sharedInfo = body;
        break;
      case 8: {
        const [mode, khz] = [view.getUint32(0, true), view.getUint32(4, true)];
        const incarnation = view.getUint32(16, true);
        const values = [o.u32(mode), o.u64(view.getBigUint64(8, true)), o.u32(khz, incarnation)];
        this.#body.push(this.#old.chunk(-7, ...values));
        break;
      }
      case 9:
        this.#context = body;
        break;
      case 10:
        for (let at = 8; at < body.length; at += 16) {
          this.#params.set(Number(view.getBigUint64(at, true)), view.getBigUint64(at + 8, true));
        }
        break;
      default:
        break;
    }
  }

  #takeLibxl({ type, body }: RecordEvent): void {
    if (type === 3) {
      this.#emulator = this.#old.emulator(EMULATOR, body.slice(8));
    } else if (type === 2) {
      this.#toolstack = this.#old.toolstack(...physmapOf(body.subarray(8)));
    }
  }

  *#paramChunks(): Generator<Uint8Array> {
    for (const [param, value] of this.#params) {
      const chunk = PARAM_CHUNKS.get(param);
      if (chunk !== undefined && value !== 0n) {
        yield this.#old.param(chunk, value);
      }
    }
  }

  #extendedInfo(): Uint8Array {
    const xsave = this.#vcpus.get(0)?.[6];
    return this.#old.extendedInfo(this.#guestWidth, xsave && xsave.length + 16);
  }

  #vcpuInfo(): Uint8Array {
    const ids = [...this.#vcpus.keys()];
    const map = ids.reduce((bits, id) => bits | (1n << BigInt(id)), 0n);
    return this.#old.vcpuInfo(Math.max(...ids), map);
  }

  #hvmTail(): Uint8Array {
    const pfns = [5, 6, 1].map((index) => this.#params.get(index) ?? 0n);
    return join(o.u64(...pfns), o.u32(this.#context.length), this.#context);
  }

  /** Frames that are not in memory are named by nobody. */
  #pvTail(): Uint8Array {
    const vcpus = [...this.#vcpus.values()].flatMap(({ 4: basic, 5: extended, 6: xsave }) => [
      basic!,
      join(extended!, new Uint8Array(128 - extended!.length)),
      ...(xsave === undefined ? [] : [o.u64(7, xsave.length), xsave]),
    ]);
    return join(o.u32(0), ...vcpus, this.#sharedInfo);
  }
}

/** Pairs "physmap/PHYS/start_addr", "…/size" and "…/name" of a device model. */
function physmapOf(data: Uint8Array) {
  const strings = Buffer.from(data).toString("latin1").split("\0");
  const entries = new Map<string, Record<string, string>>();
  for (let at = 0; at + 1 < strings.length; at += 2) {
    const [, phys = "", field = ""] = strings[at]!.split("/");
    entries.set(phys, { ...entries.get(phys), [field]: strings[at + 1]! });
  }
  return [...entries].map(([phys, { start_addr = "0", size = "0", name }]) => ({
    phys: Number(`0x${phys}`),
    start: Number(`0x${start_addr}`),
    size: Number(`0x${size}`),
    ...(name !== undefined && { name }),
  }));
}
