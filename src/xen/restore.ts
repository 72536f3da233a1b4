import { assert } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { tellError } from "../base/error-chain.ts";
import { MigrationError } from "../base/errors.ts";
import { PAGE_BYTES } from "../base/units.ts";
import { decodeTscInfo } from "../codec/bodies.ts";
import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { OrderRules } from "../codec/order.ts";
import { pullEvents } from "../codec/pull.ts";
import type { PagesHandOver, PagesTaken } from "../codec/steps.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { RestoreResults } from "../helper/libxl-channel.ts";
import { orInterruption, throwIfInterrupted } from "../migration/interruption.ts";
import { receivePages } from "../migration/page-taker.ts";
import { type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import { CheckpointSource } from "./checkpoint-source.ts";
import { LateEngine } from "./late-engine.ts";
import { needPumpAddon } from "./pipes.ts";
import { CpuPolicyState } from "./policies.ts";
import { RestoreRecord } from "./restore-record.ts";
import { type DomainSink, sinkFor } from "./sink.ts";

/** Of all records of a checkpoint besides its pages: a guess on the safe side. */
const STATE_BYTES_MAX = 64 << 20;

/**
 * Restores a domain for libxl: contract of {@link HelperBackend.restore}.
 *
 * @source xg_sr_restore.c, restore
 */
export async function restoreDomain(xen: OpenXen, job: RestoreJob): Promise<RestoreResults> {
  refuseColo(job);
  const source = new CheckpointSource(needPumpAddon(), job.streamFd);
  const giveUp = () => void source.close();
  job.signal.addEventListener("abort", giveUp);
  const restoring = new Restoring(xen, job, source);
  try {
    const results = await restoring.run();
    restoring.tell();
    return results;
  } catch (error) {
    const told = orInterruption(job.signal, error);
    restoring.tell(told);
    throw told;
  } finally {
    job.signal.removeEventListener("abort", giveUp);
    await source.close();
  }
}

/** @throws MigrationError GUEST_UNAVAILABLE */
function refuseColo({ domid, streamType }: RestoreJob): void {
  if (streamType === "colo") {
    const reason = "COLO, with a guest that runs at both ends, is not supported";
    throw new MigrationError("GUEST_UNAVAILABLE", { domid, reason });
  }
}

/** One domain on its way in. */
class Restoring {
  readonly #xen: OpenXen;
  readonly #job: RestoreJob;
  readonly #source: CheckpointSource;
  readonly #domain: XenDomain;
  readonly #policies: CpuPolicyState;
  readonly #record: RestoreRecord;
  readonly #engine: LateEngine;
  #sinkOfType: DomainSink | undefined;
  #verifies = false;
  #hasCheckpoint = false;

  constructor(xen: OpenXen, job: RestoreJob, source: CheckpointSource) {
    this.#xen = xen;
    this.#job = job;
    this.#source = source;
    this.#domain = new xen.addon.Domain(xen.host, job.domid);
    this.#policies = new CpuPolicyState(this.#domain);
    this.#record = new RestoreRecord(job, systemClock);
    this.#engine = new LateEngine(job.settings.engine, { atOnce: job.reporter.isHeard });
  }

  async run(): Promise<RestoreResults> {
    const order = new OrderRules();
    const takePages = (first: PagesHandOver) => this.#takePages(first);
    const options = { takePages, handsOverVerifiedPages: true };
    for await (const event of pullEvents(this.#source, this.#engine, options)) {
      const refused = order.check(event).find(({ severity }) => severity === "refused");
      if (refused !== undefined) {
        throw new MigrationError(refused.code, refused.facts);
      }
      await this.#take(event);
      if (isCheckpoint(event) && !(await this.#nextCheckpoint())) {
        break;
      }
    }
    this.#tellMismatches();
    const results = await this.#sink.finish();
    this.#record.restored();
    return results;
  }

  /** Reports how it went. @param error absent after success. */
  tell(error?: unknown): void {
    const { offset: totalBytes } = this.#source;
    this.#record.tell({ domain: this.#domain, engine: this.#engine, totalBytes, error });
  }

  /**
   * All of a checkpoint has been taken: waits for the next one.
   *
   * @returns false where none comes: the guest's host is gone, and it goes on from here.
   * @throws MigrationError GUEST_STATE, HELPER_*, MIGRATION_INTERRUPTED
   * @source xg_sr_restore.c, handle_checkpoint
   */
  async #nextCheckpoint(): Promise<boolean> {
    if (!this.#hasCheckpoint) {
      await this.#finishCheckpoint();
      this.#hasCheckpoint = true;
    }
    return (await this.#receiveCheckpoint()) && (await this.#finishCheckpoint());
  }

  /** Has libxl take its part of a checkpoint; false where the guest's host is gone meanwhile. */
  async #finishCheckpoint(): Promise<boolean> {
    const answer = await this.#job.channel.checkpoint();
    if (answer === "end" || (answer === "take-over" && !this.#hasCheckpoint)) {
      throw new MigrationError("HELPER_CALLBACK_REFUSED", { callback: "checkpoint", answer });
    }
    if (answer === "go-on" && this.#hasCheckpoint) {
      await this.#source.handOut();
    }
    return answer === "go-on";
  }

  async #receiveCheckpoint(): Promise<boolean> {
    const { channel, signal } = this.#job;
    const { maxPages } = resultOf(this.#domain.info());
    try {
      await this.#source.receive(maxPages * (PAGE_BYTES + 8) + STATE_BYTES_MAX);
      return true;
    } catch (error) {
      throwIfInterrupted(signal);
      if (!(error instanceof MigrationError)) {
        throw error;
      }
      const text = `The guest goes on as of its last checkpoint: ${tellError(error)}`;
      channel.log({ level: "warning", context: "xc", text });
      return false;
    }
  }

  async #take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "domain-header":
        this.#sinkOfType = this.#makeSink(event.header.guestType);
        return;
      case "record":
        return event.isOptional ? undefined : await this.#takeRecord(event);
      default:
        assert(event.kind !== "page-data", "all pages are handed over");
        return;
    }
  }

  #makeSink(guestType: number): DomainSink {
    return sinkFor(guestType, { xen: this.#xen, domain: this.#domain, job: this.#job });
  }

  /** The domain header comes before all records. */
  get #sink(): DomainSink {
    assert(this.#sinkOfType !== undefined, "a stream has a domain header");
    return this.#sinkOfType;
  }

  async #takeRecord(event: RecordEvent): Promise<void> {
    switch (event.type) {
      case LIBXC_RECORD.X86_CPUID_POLICY:
        return this.#policies.takeCpuid(event.body);
      case LIBXC_RECORD.X86_MSR_POLICY:
        return this.#policies.takeMsr(event.body);
      case LIBXC_RECORD.STATIC_DATA_END:
        return await this.#job.channel.staticDataDone(this.#policies.apply());
      case LIBXC_RECORD.X86_TSC_INFO:
        return void resultOf(this.#domain.setTscInfo(decodeTscInfo(event)));
      case LIBXC_RECORD.VERIFY:
        this.#verifies = true;
        return;
      case LIBXC_RECORD.CHECKPOINT:
        return this.#expectCheckpoints(event);
      case LIBXC_RECORD.END:
        return;
      default:
        this.#takeByKind(event);
    }
  }

  #expectCheckpoints({ offset, name }: RecordEvent): void {
    if (this.#job.streamType === "plain") {
      throw new MigrationError("GUEST_STATE", { offset, record: name, streamType: "plain" });
    }
  }

  #takeByKind(event: RecordEvent): void {
    if (!this.#sink.take(event)) {
      const { offset, name, type } = event;
      throw new MigrationError("GUEST_STATE", { offset, record: name ?? type });
    }
  }

  async #takePages(first: PagesHandOver): Promise<PagesTaken> {
    const { direct } = this.#source;
    if (direct === undefined) {
      throw new MigrationError("TRANSPORT_LOST", { offset: first.offset, closed: true });
    }
    const verifies = this.#verifies;
    const { memory } = this.#sink;
    this.#record.memoryBegins();
    const taken = await receivePages({
      first,
      pipe: direct,
      receiver: {
        makeCancel: () => new this.#xen.addon.Cancel(),
        receive: (job) => memory.receive({ ...job, verifies }),
      },
      signal: this.#job.signal,
      counters: this.#record.counters,
    });
    this.#record.took(taken);
    return taken;
  }

  /** What differs is told and no failure, as with Xen's own. */
  #tellMismatches(): void {
    const mismatches = this.#sink.memory.mismatches();
    if (this.#verifies) {
      const level = mismatches > 0 ? "error" : "info";
      const text = `Compared all pages: ${mismatches} differ from those sent before`;
      this.#job.channel.log({ level, context: "xc", text });
    }
  }
}

function isCheckpoint(event: StreamEvent): boolean {
  return event.kind === "record" && event.type === LIBXC_RECORD.CHECKPOINT;
}
