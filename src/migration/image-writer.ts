import type { ByteSink } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { domainHeader, imageHeader, libxlHeader, xlHeader } from "../codec/headers.ts";
import { StreamWriter } from "../codec/stream-writer.ts";
import { GUEST_TYPE, LIBXC_RECORD } from "../format/libxc.ts";
import { LIBXL_RECORD } from "../format/libxl.ts";
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

/** @throws MigrationError TRANSPORT_* from the writer's members. */
export function createImageWriter(sink: ByteSink, codec: PageDataHeadCodec): ImageWriter {
  const writer = new StreamWriter(sink, codec);
  const record = (type: number, body: Uint8Array) => writer.record({ type, body });
  return {
    begin: async (config) => {
      await writer.xlHeader(xlHeader(configToJson(config)));
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
