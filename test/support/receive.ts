import { closeSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { MigrationError } from "../../src/base/errors.ts";
import type { ByteSource } from "../../src/base/io.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { pullEvents } from "../../src/codec/pull.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { PAGE_ALIGNMENT } from "../../src/format/page-alignment.ts";
import { hasStreamData } from "../../src/format/page-type.ts";
import type { SinkMemory } from "../../src/guest/types.ts";
import { pageTaker } from "../../src/migration/page-taker.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import { DescriptorSource } from "../../src/transport/descriptor-source.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { type FileAccess, probePump } from "../../src/transport/pump-addon.ts";

/** What came of receiving a libxc stream: pages stored, records after them, how it ended. */
export interface ReceiveOutcome {
  readonly ram: Buffer;
  readonly entries: number;
  readonly dataPages: number;
  readonly records: readonly string[];
  /** Octets read. */
  readonly offset: number;
  /** Code and facts, where it failed. */
  readonly failure: { readonly code: string; readonly where: object } | undefined;
}

/** Receives by events, as `restoreStream` does where nothing takes pages from a descriptor. */
export function receiveByEvents(
  stream: Uint8Array,
  engine: PageEngine,
  pfnCount: number,
): Promise<ReceiveOutcome> {
  const ram = Buffer.alloc(pfnCount * PAGE_BYTES);
  return receive(new BufferedSource([stream]), engine, { ram: () => ram, pfnCount });
}

/** Receives by the add-on's threads, from a descriptor into a file. */
export function receiveByThreads(
  stream: Uint8Array,
  engine: PageEngine,
  pfnCount: number,
): Promise<ReceiveOutcome> {
  return receiveIntoFile(stream, engine, {
    pfnCount,
    open: async (file) => {
      const fd = openSync(file, "r");
      const source = new DescriptorSource(probePump().addon!, fd);
      closeSync(fd);
      return source;
    },
  });
}

/** Receives by the add-on's threads, from an image in a file, into a file. */
export function receiveFromImage(
  stream: Uint8Array,
  engine: PageEngine,
  job: {
    readonly pfnCount: number;
    readonly fileAccess: FileAccess;
    readonly onDirectBytes?: (byteCount: number) => void;
  },
): Promise<ReceiveOutcome> {
  return receiveIntoFile(stream, engine, { ...job, open: openImage });
}

async function receiveIntoFile(
  stream: Uint8Array,
  engine: PageEngine,
  job: Omit<Place, "ram" | "ramFd"> & {
    readonly open: (file: string) => Promise<ByteSource>;
  },
): Promise<ReceiveOutcome> {
  const { pfnCount } = job;
  const base = path.join(os.tmpdir(), `xenferry-receive-${process.pid}`);
  writeFileSync(`${base}.stream`, stream);
  writeFileSync(`${base}.ram`, Buffer.alloc(pfnCount * PAGE_BYTES));
  const ramFd = openSync(`${base}.ram`, "r+");
  const source = await job.open(`${base}.stream`);
  const ram = () => {
    const bytes = Buffer.alloc(pfnCount * PAGE_BYTES);
    readSync(ramFd, bytes, 0, bytes.length, 0);
    return bytes;
  };
  try {
    return await receive(source, engine, { ...job, ram, ramFd });
  } finally {
    await source.close();
    closeSync(ramFd);
    rmSync(`${base}.stream`);
    rmSync(`${base}.ram`);
  }
}

interface Place {
  /** The guest's memory, to store into (events) or to look at (a file). */
  readonly ram: () => Buffer;
  readonly pfnCount: number;
  readonly ramFd?: number;
  readonly fileAccess?: FileAccess;
  readonly onDirectBytes?: (byteCount: number) => void;
}

async function receive(
  source: ByteSource,
  engine: PageEngine,
  { ram, pfnCount, ramFd, fileAccess = "auto", onDirectBytes }: Place,
): Promise<ReceiveOutcome> {
  const { signal } = new AbortController();
  const memory: SinkMemory = {
    pfnCount,
    scatter: () => Promise.reject(new Error("nothing scatters here")),
    ...(ramFd !== undefined && { ramFd }),
  };
  const takePages = pageTaker({
    source,
    engine,
    signal,
    memory: () => memory,
    fileAccess,
    ...(onDirectBytes !== undefined && { onDirectBytes }),
  });
  const counts = { entries: 0, dataPages: 0 };
  const records: string[] = [];
  let failure: ReceiveOutcome["failure"];
  try {
    for await (const event of pullEvents(source, engine, { takePages })) {
      if (event.kind === "record" && event.type !== PAGE_ALIGNMENT) {
        records.push(`${event.name} at ${event.offset}`);
      } else if (event.kind === "pages-taken") {
        counts.entries += event.entries;
        counts.dataPages += event.dataPages;
      } else if (event.kind === "page-data") {
        const { pfns, types, pages, offset } = event;
        const outside = pfns.find((pfn) => pfn >= pfnCount);
        if (outside !== undefined) {
          throw new MigrationError("GUEST_PFN_RANGE", { offset, pfn: outside, pfnCount });
        }
        const dataPfns = pfns.filter((_, index) => hasStreamData(types[index]!));
        dataPfns.forEach((pfn, index) => {
          const page = pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
          ram().set(page, pfn * PAGE_BYTES);
        });
        counts.entries += pfns.length;
        counts.dataPages += dataPfns.length;
      }
    }
  } catch (error) {
    if (!(error instanceof MigrationError)) {
      throw error;
    }
    failure = { code: error.code, where: normal(error.where) };
  }
  return { ram: ram(), ...counts, records, offset: source.offset, failure };
}

/** Facts without those that are absent, numbers all of one kind. */
function normal(where: object): object {
  const facts = Object.entries(where).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    facts.map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]),
  );
}
