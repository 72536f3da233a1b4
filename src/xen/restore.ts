import { assert } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import { decodeTscInfo } from "../codec/bodies.ts";
import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { OrderRules } from "../codec/order.ts";
import { pullEvents } from "../codec/pull.ts";
import type { PagesHandOver, PagesTaken } from "../codec/steps.ts";
import { selectEngine } from "../engine/select.ts";
import type { PageEngine } from "../engine/types.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { RestoreResults } from "../helper/libxl-channel.ts";
import { orInterruption } from "../migration/interruption.ts";
import { receivePages } from "../migration/page-taker.ts";
import { DescriptorSource } from "../transport/descriptor-source.ts";
import { type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import { needPumpAddon } from "./pipes.ts";
import { CpuPolicyState } from "./policies.ts";
import { RestoreRecord } from "./restore-record.ts";
import { type DomainSink, sinkFor } from "./sink.ts";

/**
 * Restores a domain for libxl: contract of {@link HelperBackend.restore}.
 *
 * @source xg_sr_restore.c, restore
 */
export async function restoreDomain(xen: OpenXen, job: RestoreJob): Promise<RestoreResults> {
  const source = new DescriptorSource(needPumpAddon(), job.streamFd);
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

/** One domain on its way in. */
class Restoring {
  readonly #xen: OpenXen;
  readonly #job: RestoreJob;
  readonly #source: DescriptorSource;
  readonly #domain: XenDomain;
  readonly #policies: CpuPolicyState;
  readonly #record: RestoreRecord;
  readonly #engine: PageEngine;
  #sinkOfType: DomainSink | undefined;
  #verifies = false;

  constructor(xen: OpenXen, job: RestoreJob, source: DescriptorSource) {
    this.#xen = xen;
    this.#job = job;
    this.#source = source;
    this.#domain = new xen.addon.Domain(xen.host, job.domid);
    this.#policies = new CpuPolicyState(this.#domain);
    this.#record = new RestoreRecord(job, systemClock);
    this.#engine = selectEngine(job.settings.engine).engine;
  }

  async run(): Promise<RestoreResults> {
    const order = new OrderRules();
    const takePages = (first: PagesHandOver) => this.#takePages(first);
    for await (const event of pullEvents(this.#source, this.#engine, { takePages })) {
      const refused = order.check(event).find(({ severity }) => severity === "refused");
      if (refused !== undefined) {
        throw new MigrationError(refused.code, refused.facts);
      }
      await this.#take(event);
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

  async #take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "domain-header":
        this.#sinkOfType = this.#makeSink(event.header.guestType);
        return;
      case "record":
        return event.isOptional ? undefined : await this.#takeRecord(event);
      default:
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
      case LIBXC_RECORD.END:
        return;
      default:
        this.#takeByKind(event);
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
