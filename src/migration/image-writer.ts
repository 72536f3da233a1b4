import type { ByteSink } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { roundUp } from "../base/units.ts";
import { domainHeader, imageHeader, libxlHeader, xlHeader } from "../codec/headers.ts";
import { StreamWriter } from "../codec/stream-writer.ts";
import { GUEST_TYPE, LIBXC_RECORD, RECORD_ALIGN_BYTES } from "../format/libxc.ts";
import { LIBXL_RECORD } from "../format/libxl.ts";
import { XL_CONFIG_HEAD_BYTES, XL_HEADER_BYTES } from "../format/xl.ts";
import { configToJson } from "../guest/config.ts";
import type { GuestConfig, StateRecord } from "../guest/types.ts";

/** Release whose streams these are like; readers show it and decide nothing by it. */
const XEN_VERSION = { major: 4, minor: 17 } as const;

const EMPTY = new Uint8Array(0);

/** Writes an image around the PAGE_DATA records, which the pump writes to the same sink. */
export interface ImageWriter {
  /** xl header, libxl header, LIBXC_CONTEXT, libxc headers, static data. */
  begin(config: GuestConfig): Promise<void>;
  /** State records and both ENDs. */
  finish(state: readonly StateRecord[]): Promise<void>;
}

/**
 * @param layout `aligned` has all records start at multiples of 8 octets of the image; `dense`
 *   leaves that to the length of the configuration, as xl does.
 * @throws MigrationError TRANSPORT_* from the writer's members.
 */
export function createImageWriter(
  sink: ByteSink,
  codec: PageDataHeadCodec,
  layout: "dense" | "aligned",
): ImageWriter {
  const writer = new StreamWriter(sink, codec);
  const record = (type: number, body: Uint8Array) => writer.record({ type, body });
  return {
    begin: async (config) => {
      const json = configToJson(config);
      await writer.xlHeader(xlHeader(layout === "aligned" ? alignedJson(json) : json));
      await writer.libxlHeader(libxlHeader());
      await record(LIBXL_RECORD.LIBXC_CONTEXT, EMPTY);
      const { major, minor } = XEN_VERSION;
      await writer.libxcHeaders(imageHeader(), domainHeader(GUEST_TYPE.X86_HVM, major, minor));
      await record(LIBXC_RECORD.STATIC_DATA_END, EMPTY);
    },
    finish: async (state) => {
      const ends = [LIBXC_RECORD.END, LIBXL_RECORD.END];
      await writer.records([...state, ...ends.map((type) => ({ type, body: EMPTY }))]);
    },
  };
}

/** The same configuration with spaces behind it, so that xl's header ends at a multiple of 8. */
function alignedJson(json: string): string {
  const headerBytes = XL_HEADER_BYTES + XL_CONFIG_HEAD_BYTES + Buffer.byteLength(`${json}\0`);
  const spaceCount = roundUp(headerBytes, RECORD_ALIGN_BYTES) - headerBytes;
  return `${json}${" ".repeat(spaceCount)}`;
}
