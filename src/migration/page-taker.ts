import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource, DirectPipe } from "../base/io.ts";
import { recordLabel } from "../codec/record.ts";
import type { PagesHandOver, PagesTaken } from "../codec/steps.ts";
import type { PageEngine } from "../engine/types.ts";
import { RECORD_HEADER_BYTES } from "../format/libxc.ts";
import type { SinkMemory } from "../guest/types.ts";
import {
  type FileAccess,
  type PumpAddon,
  type PumpCancel,
  type PumpFailure,
  type PumpRamFile,
  type PumpResult,
  probePump,
  pumpError,
  type ReceivedPages,
  type ReceiveJob,
} from "../transport/pump-addon.ts";
import { makeCounters, type PumpCounters } from "../transport/pump-counters.ts";
import { throwIfInterrupted } from "./interruption.ts";

/** Threads that take turns at reading and storing; more would wait for each other. */
const THREADS_MAX = 4;

/** Threads that read a file: they wait for the disk, so more than there are CPUs make sense. */
const FILE_THREADS = 4;

interface Parts {
  readonly source: ByteSource;
  readonly engine: PageEngine;
  readonly signal: AbortSignal;
  /** RAM of the guest, which is made while the stream is read. */
  readonly memory: () => SinkMemory;
  /** How pages of a file are read; `auto` unless said otherwise. */
  readonly fileAccess?: FileAccess | undefined;
  /** Get what is taken and how long that takes, besides what others add to them. */
  readonly counters?: PumpCounters | undefined;
  /** Told before pages are taken. */
  readonly onBegin?: () => void;
  /** Told of octets of pages that were read from a file past the page cache. */
  readonly onDirectBytes?: (byteCount: number) => void;
}

/**
 * Makes what takes PAGE_DATA records straight from the source's descriptor into RAM, on threads of
 * its own. Where RAM is no file it declines, with `undefined`.
 *
 * @returns `undefined` where the native engine is not used, or the source has no descriptor: pages
 *   then come as events.
 */
export function pageTaker(
  parts: Parts,
): ((first: PagesHandOver) => Promise<PagesTaken | undefined>) | undefined {
  const addon = takingAddon(parts.engine, parts.source);
  return addon && ((first) => takePages(addon, parts, first));
}

/**
 * The add-on that takes pages from `source`; `undefined` where the native engine is not used, or
 * the source has no descriptor.
 */
export function takingAddon(engine: PageEngine, source: ByteSource): PumpAddon | undefined {
  const { addon } = engine.name === "native" ? probePump() : {};
  return source.direct === undefined ? undefined : addon;
}

async function takePages(
  addon: PumpAddon,
  { source, signal, memory, fileAccess = "auto", counters, onBegin, onDirectBytes }: Parts,
  first: PagesHandOver,
): Promise<PagesTaken | undefined> {
  const ram = ramFileOf(addon, memory());
  if (ram === undefined) {
    return undefined;
  }
  const { direct } = source;
  const fd = direct === undefined ? -1 : addon.duplicate(direct.fd);
  if (direct === undefined || fd < 0) {
    throw new MigrationError("TRANSPORT_LOST", { offset: first.offset, closed: true });
  }
  onBegin?.();
  try {
    const file = direct.isPositioned ? { fileAccess, threadCount: FILE_THREADS } : {};
    const taken = await receivePages({
      first,
      pipe: { fd, advance: direct.advance },
      receiver: {
        makeCancel: () => new addon.Cancel(),
        receive: (job) => addon.receivePages({ ...job, ...file, ram }),
      },
      signal,
      counters,
    });
    onDirectBytes?.(taken.directBytes);
    return taken;
  } finally {
    closeSync(fd);
  }
}

/** What takes PAGE_DATA records from a descriptor, on threads of its own. */
export interface PageReceiver {
  makeCancel(): PumpCancel;
  receive(job: Omit<ReceiveJob, "ram">): Promise<PumpResult<ReceivedPages>>;
}

/**
 * Has `receiver` take the PAGE_DATA records that `first` starts.
 *
 * @throws MigrationError what the codec throws of the same octets; MIGRATION_INTERRUPTED
 */
export async function receivePages(work: {
  readonly first: PagesHandOver;
  readonly pipe: Pick<DirectPipe, "fd" | "advance">;
  readonly receiver: PageReceiver;
  readonly signal: AbortSignal;
  readonly counters?: PumpCounters | undefined;
}): Promise<ReceivedPages> {
  const { receiver, signal, pipe, counters = makeCounters() } = work;
  const { offset, type, bodyBytes } = work.first;
  const cancel = receiver.makeCancel();
  const onAbort = () => cancel.fire();
  signal.addEventListener("abort", onAbort);
  try {
    throwIfInterrupted(signal);
    const bodyOffset = offset + RECORD_HEADER_BYTES;
    const threadCount = Math.min(availableParallelism(), THREADS_MAX);
    const { value, failure } = await receiver.receive({
      fd: pipe.fd,
      offset: bodyOffset,
      type,
      bodyBytes,
      threadCount,
      counters,
      cancel,
    });
    throwIfInterrupted(signal);
    if (value === undefined) {
      throw errorOf(failure!, offset);
    }
    // From behind the first header to behind the next one: as much as between their starts.
    pipe.advance(value.bytes);
    return value;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** One for each guest's RAM, however many channels bring pages for it. */
const RAM_FILES = new WeakMap<SinkMemory, PumpRamFile>();

function ramFileOf(addon: PumpAddon, memory: SinkMemory): PumpRamFile | undefined {
  const { ramFd: fd, pfnCount } = memory;
  if (fd === undefined) {
    return undefined;
  }
  const known = RAM_FILES.get(memory) ?? new addon.RamFile({ fd, pfnCount });
  RAM_FILES.set(memory, known);
  return known;
}

/** The error that the codec has for the same octets. */
function errorOf(failure: PumpFailure, offset: number): MigrationError {
  const { recordType, ...facts } = failure.facts;
  switch (failure.code) {
    case "TRANSPORT_LOST":
      return new MigrationError("TRANSPORT_LOST", { offset }, pumpError(failure));
    case "GUEST_HOST_CALL":
    case "GUEST_PFN_RANGE":
      return new MigrationError(failure.code, { call: failure.call, ...facts });
    case "CANCELLED":
      return new MigrationError("MIGRATION_INTERRUPTED");
    default: {
      const record = recordType === undefined ? "header" : recordLabel("libxc", recordType);
      return new MigrationError(failure.code, { layer: "libxc", record, ...facts });
    }
  }
}
