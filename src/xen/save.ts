import { systemClock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { domainHeader, imageHeader } from "../codec/headers.ts";
import { StreamWriter } from "../codec/stream-writer.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { SaveJob } from "../helper/backend.ts";
import { policyOf } from "../helper/settings.ts";
import { orInterruption, throwIfInterrupted } from "../migration/interruption.ts";
import { MemoryTransfer } from "../migration/precopy.ts";
import { fullBitmap } from "../migration/pump.ts";
import { descriptorSink } from "../transport/descriptor-sink.ts";
import { type DomainInfo, type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import { LateEngine } from "./late-engine.ts";
import { DomainLogDirty } from "./log-dirty.ts";
import { progressTo } from "./progress.ts";
import { DomainPump } from "./pump.ts";
import { SaveRecord } from "./save-record.ts";
import { type DomainSource, recordsBeforeMemory, sourceOf } from "./source.ts";

/** SHUTDOWN_suspend. @source public/sched.h */
const SHUTDOWN_SUSPEND = 2;

/**
 * Saves a domain for libxl: contract of {@link HelperBackend.save}.
 *
 * @source xg_sr_save.c, save
 */
export async function saveDomain(xen: OpenXen, job: SaveJob): Promise<void> {
  const domain = new xen.addon.Domain(xen.host, job.domid);
  checkDomain(domain, job);
  const record = new SaveRecord(job, systemClock);
  let source = sourceOf(xen, domain);
  if (!job.isLive) {
    await suspendGuest({ job, domain, record });
    // A PV guest may have moved its table of frames until now.
    source = sourceOf(xen, domain);
  }
  const { frameCount } = source;
  const { domid, channel } = job;
  const deviceModel = source.pv === undefined ? channel : undefined;
  const logDirty = new DomainLogDirty({ domain, domid, frameCount, deviceModel });
  const saving = new Saving({ xen, job, domain, record, source, logDirty });
  try {
    await saving.run();
  } catch (error) {
    // Libxl, which may be gone, resumes the guest; the failure that counts is the first.
    await logDirty.disable().catch(() => undefined);
    const told = orInterruption(job.signal, error);
    await saving.tell(told).catch(() => undefined);
    throw told;
  }
  await logDirty.disable();
  await saving.tell();
}

/** Refuses, before anything is touched, what cannot be saved. */
function checkDomain(domain: XenDomain, { domid, streamType, isLive }: SaveJob): void {
  const refuse = (reason: string) => new MigrationError("GUEST_UNAVAILABLE", { domid, reason });
  if (streamType === "colo") {
    throw refuse("COLO, with a guest that runs at both ends, is not supported");
  }
  if (streamType === "remus" && !isLive) {
    throw refuse("checkpoints are of guests that run");
  }
  const devices = domain.pciDeviceCount();
  if (devices > 0) {
    throw refuse(`it has assigned PCI devices (${devices}), whose state stays here`);
  }
}

interface GuestParts {
  readonly job: SaveJob;
  readonly domain: XenDomain;
  readonly record: SaveRecord;
}

/**
 * Has the guest suspend itself.
 *
 * @throws MigrationError GUEST_STATE where it did something else; HELPER_*, MIGRATION_INTERRUPTED
 */
async function suspendGuest({ job, domain, record }: GuestParts): Promise<void> {
  throwIfInterrupted(job.signal);
  record.reached("suspend");
  await job.channel.suspend();
  record.reached("suspended");
  const { isShutdown, shutdownReason } = resultOf(domain.info());
  if (!isShutdown || shutdownReason !== SHUTDOWN_SUSPEND) {
    throw new MigrationError("GUEST_STATE", { domid: job.domid, isShutdown, shutdownReason });
  }
}

interface Parts extends GuestParts {
  readonly xen: OpenXen;
  readonly source: DomainSource;
  readonly logDirty: DomainLogDirty;
}

/**
 * Whether an engine will be needed while the guest stands still: to be told of in a profile, or to
 * merge pages of a PV guest that could not be sent while it ran.
 */
function needsEngine({ job, source }: Parts): boolean {
  const { settings, reporter, isLive } = job;
  return reporter.isHeard || settings.profile !== undefined || (isLive && source.pv !== undefined);
}

/** One domain on its way out. */
class Saving {
  readonly #parts: Parts;
  readonly #sink: ByteSink;
  readonly #writer: StreamWriter;
  readonly #pump: DomainPump;
  readonly #memory: MemoryTransfer;
  readonly #engine: LateEngine;
  readonly #info: DomainInfo;

  constructor(parts: Parts) {
    const { xen, job, domain, record, source, logDirty } = parts;
    const { settings, signal, channel } = job;
    const engine = new LateEngine(settings.engine, { atOnce: needsEngine(parts) });
    this.#parts = parts;
    this.#engine = engine;
    this.#info = resultOf(domain.info());
    this.#sink = descriptorSink(job.streamFd);
    this.#writer = new StreamWriter(this.#sink, engine);
    this.#pump = new DomainPump({
      xen,
      domain,
      pv: source.pv,
      sink: this.#sink,
      bytesPerSecondMax: settings.bandwidthMax,
      namesHoles: settings.zeroPages === "send",
    });
    this.#memory = new MemoryTransfer({
      guest: { memory: { pfnCount: source.frameCount }, logDirty },
      engine,
      pump: this.#pump,
      policy: policyOf(settings),
      clock: systemClock,
      onProgress: record.listener(progressTo(channel, job.isLive ? "live" : "non-live")),
      signal,
      zeroPages: settings.zeroPages,
      startMs: record.startMs,
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#parts.job;
    const giveUp = () => void this.#sink.abort();
    signal.addEventListener("abort", giveUp);
    try {
      throwIfInterrupted(signal);
      await this.#send();
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Reports and writes the profile, as wanted. @throws MigrationError TRANSPORT_OPEN */
  async tell(error?: unknown): Promise<void> {
    const totalBytes = this.#sink.offset;
    await this.#parts.record.tell({ info: this.#info, engine: this.#engine, totalBytes, error });
  }

  async #send(): Promise<void> {
    const { isLive, isDebug, streamType } = this.#parts.job;
    await this.#begin();
    if (isLive) {
      await this.#precopy();
      await this.#suspend();
      await this.#memory.harvest();
    } else {
      this.#standStill();
    }
    this.#parts.record.reached("harvested");
    await this.#memory.finalCopy();
    if (isLive && isDebug && streamType === "plain") {
      await this.#sendForComparison();
    }
    this.#parts.record.reached("copied");
    await this.#sendState(streamType === "plain" ? LIBXC_RECORD.END : LIBXC_RECORD.CHECKPOINT);
    this.#parts.record.reached("sent");
    if (streamType !== "plain") {
      await this.#sendCheckpoints();
    }
  }

  async #precopy(): Promise<void> {
    const { job, logDirty } = this.#parts;
    await logDirty.enable();
    const reason = await this.#memory.precopy();
    job.channel.log({ level: "info", context: "xc", text: `Suspending the guest: ${reason}` });
    this.#parts.record.stopReason = reason;
  }

  /** State of the suspended guest, and the record that says that now all of it is there. */
  async #sendState(last: number): Promise<void> {
    const { source } = this.#parts;
    source.check();
    const body = new Uint8Array(0);
    await this.#writer.records([...source.stateRecords(), { type: last, body }]);
  }

  /** Goes on until libxl does not want to any more, which is no failure; there is no END then. */
  async #sendCheckpoints(): Promise<void> {
    const { channel } = this.#parts.job;
    while ((await channel.postcopy()) === "go-on" && (await channel.checkpoint()) === "go-on") {
      await this.#suspend();
      await this.#memory.checkpointCopy();
      await this.#sendState(LIBXC_RECORD.CHECKPOINT);
    }
  }

  async #begin(): Promise<void> {
    const { xen, domain, source } = this.#parts;
    const version = resultOf(xen.host.xenVersion());
    const header = domainHeader(source.guestType, version >>> 16, version & 0xffff);
    await this.#writer.libxcHeaders(imageHeader(), header);
    await this.#writer.records(recordsBeforeMemory(domain, source));
  }

  async #suspend(): Promise<void> {
    await suspendGuest(this.#parts);
    this.#standStill();
  }

  #standStill(): void {
    this.#parts.logDirty.suspended();
    this.#pump.suspended();
  }

  /** Sends all pages once more, for the receiver to compare. @source verify_frames */
  async #sendForComparison(): Promise<void> {
    const { job, source, logDirty } = this.#parts;
    await this.#writer.record({ type: LIBXC_RECORD.VERIFY, body: new Uint8Array(0) });
    const dirtyBitmap = fullBitmap(source.frameCount);
    await this.#pump.send({
      dirtyBitmap,
      deferredBitmap: new Uint8Array(dirtyBitmap.length),
      elidesZeroPages: false,
      pagesPlanned: source.frameCount,
      onProgress: () => undefined,
      signal: job.signal,
    });
    const dirtyPages = await logDirty.peekDirty();
    const text = `Sent all pages for comparison; ${dirtyPages} were written since the last copy`;
    job.channel.log({ level: "debug", context: "xc", text });
  }
}
