import type { Readable, Writable } from "node:stream";
import type { ByteSink, ByteSource } from "../base/io.ts";
import { ReadableSource } from "./readable-source.ts";
import { WritableSink } from "./writable-sink.ts";

/** Both directions of a link to another migration process. */
export interface Connection {
  readonly source: ByteSource;
  readonly sink: ByteSink;
  /** What it leads to, for messages. */
  readonly peer: string;
  /** Releases the descriptors and ends a child that was started for it; safe to call twice. */
  close(): Promise<void>;
}

/** Makes a connection of a readable and a writable stream; `close` calls `release` once. */
export function connectionOf(
  streams: { readonly input: Readable; readonly output: Writable },
  peer: string,
  release: () => Promise<void>,
): Connection {
  const source = new ReadableSource(streams.input);
  const sink = new WritableSink(streams.output);
  let closing: Promise<void> | undefined;
  return {
    source,
    sink,
    peer,
    close: () => {
      closing ??= release();
      return closing;
    },
  };
}
