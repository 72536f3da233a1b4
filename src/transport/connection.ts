import type { Readable, Writable } from "node:stream";
import type { ByteSink, ByteSource } from "../base/io.ts";
import { descriptorOf } from "./descriptor.ts";
import { DescriptorSource } from "./descriptor-source.ts";
import { probePump } from "./pump-addon.ts";
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

/** The two directions of a link, as Node has them. */
interface Streams {
  readonly input: Readable;
  readonly output: Writable;
}

/** Makes a connection of a readable and a writable stream; `close` calls `release` once. */
export function connectionOf(
  { input, output }: Streams,
  peer: string,
  release: () => Promise<void>,
): Connection {
  return connection({ source: new ReadableSource(input), output, peer, release });
}

/**
 * The same for the receiving end of a migration: where there is a descriptor under `input`, and the
 * add-on, octets are taken from it, and none ahead of what was asked for. Nothing may have been
 * read from `input` yet.
 */
export function receivingConnectionOf(
  streams: Streams,
  peer: string,
  release: () => Promise<void>,
): Connection {
  const { addon } = probePump();
  const fd = descriptorOf(streams.input);
  if (addon === undefined || fd === undefined) {
    return connectionOf(streams, peer, release);
  }
  const source = new DescriptorSource(addon, fd);
  const { output } = streams;
  return connection({ source, output, peer, release: () => source.close().then(release) });
}

function connection(parts: {
  readonly source: ByteSource;
  readonly output: Writable;
  readonly peer: string;
  readonly release: () => Promise<void>;
}): Connection {
  const { source, output, peer, release } = parts;
  let closing: Promise<void> | undefined;
  return {
    source,
    sink: new WritableSink(output),
    peer,
    close: () => {
      closing ??= release();
      return closing;
    },
  };
}
