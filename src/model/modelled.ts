import { BATCH_PAGES_MAX, PAGE_BYTES } from "../base/units.ts";
import type { IterationStatistics } from "../report/profile.ts";
import type { DirtyProcess } from "./dirty-process.ts";
import type { IterationSource, StopPoint } from "./iteration-source.ts";
import { type Link, LinkUse } from "./link.ts";

/** What a migration takes besides the link (ms). */
export interface MigrationCosts {
  /** Of each iteration: scanning, waiting for the last of it to arrive, deciding. */
  readonly iterationMs: number;
  /** Of each reading of the dirty bitmap, and of each dirty page in it. */
  readonly harvestMs: number;
  readonly harvestMsPerPage: number;
  /** From the decision to stop until the guest stands still. */
  readonly gapMs: number;
  /** Downtime that is neither the final copy nor its harvest. */
  readonly handoverMs: number;
  /** Before the first iteration and after the downtime. */
  readonly aroundMs: number;
}

/** Costs of a migration that is nothing but its link and a hand-over. */
export const BARE_COSTS: MigrationCosts = {
  iterationMs: 0,
  harvestMs: 0,
  harvestMsPerPage: 0,
  gapMs: 0,
  handoverMs: 8,
  aroundMs: 0,
};

/** A migration that has not happened. */
export interface ModelledMigration {
  /** Pages that go with their data in iteration 0. */
  readonly dataPages: number;
  /** Pages that are only named there. */
  readonly emptyPages: number;
  readonly link: Link;
  readonly dirty: DirtyProcess;
  readonly costs: MigrationCosts;
}

const PFN_WORD_BYTES = 8;
const PAGE_DATA_HEAD_BYTES = 16;

/** Octets of stream for so many pages with data and so many without. */
export function streamBytes(dataPages: number, emptyPages = 0): number {
  const records = Math.ceil((dataPages + emptyPages) / BATCH_PAGES_MAX);
  return (
    dataPages * (PAGE_BYTES + PFN_WORD_BYTES) +
    emptyPages * PFN_WORD_BYTES +
    records * PAGE_DATA_HEAD_BYTES
  );
}

/** The iterations of a modelled migration: deterministic, with what is to be expected. */
export function modelledIterations(migration: ModelledMigration): IterationSource {
  return new Modelled(migration);
}

class Modelled implements IterationSource {
  readonly #migration: ModelledMigration;
  readonly #link: LinkUse;
  #iteration = 0;
  #nowMs: number;
  #windowStartMs: number;
  #pace = 1;
  #bytes = 0;
  #waitingPages: number;

  constructor(migration: ModelledMigration) {
    this.#migration = migration;
    this.#link = new LinkUse(migration.link);
    this.#nowMs = migration.costs.aroundMs / 2;
    this.#windowStartMs = this.#nowMs;
    this.#waitingPages = migration.dataPages;
  }

  next(pace: number): IterationStatistics {
    const { costs, dirty, emptyPages } = this.#migration;
    const isFirst = this.#iteration === 0;
    const startMs = this.#nowMs;
    const pagesSent = this.#waitingPages;
    const bytes = streamBytes(pagesSent, isFirst ? emptyPages : 0);
    const sendMs = this.#link.send(bytes, startMs) + costs.iterationMs;
    const window = { startMs, durationMs: sendMs + costs.harvestMs, pace };
    const dirtyPages = Math.round(dirty.dirtyPages(window));
    const logDirtyMs = costs.harvestMs + dirtyPages * costs.harvestMsPerPage;
    const durationMs = sendMs + logDirtyMs;
    this.#windowStartMs = startMs;
    this.#pace = pace;
    this.#nowMs = startMs + durationMs;
    this.#bytes += bytes;
    this.#waitingPages = dirtyPages;
    return {
      iteration: this.#iteration++,
      phase: "precopy",
      pagesPlanned: pagesSent + (isFirst ? emptyPages : 0),
      pagesSent,
      pagesAllocateOnly: isFirst ? emptyPages : 0,
      pagesDeferred: 0,
      pagesUnchanged: 0,
      bytes,
      dirtyPagesAtEnd: dirtyPages,
      scanMs: 0,
      sendMs,
      logDirtyMs,
      durationMs,
      bytesPerSecond: sendMs > 0 ? (bytes * 1000) / sendMs : 0,
      dirtyPagesPerSecond: durationMs > 0 ? (dirtyPages * 1000) / durationMs : 0,
    };
  }

  stopHere(): StopPoint {
    const { costs, dirty } = this.#migration;
    const stopMs = this.#nowMs + costs.gapMs;
    const durationMs = stopMs - this.#windowStartMs;
    const seen = dirty.dirtyPages({ startMs: this.#windowStartMs, durationMs, pace: this.#pace });
    const finalPages = Math.round(Math.max(seen, this.#waitingPages));
    const finalBytes = streamBytes(finalPages);
    const harvestMs = costs.harvestMs + finalPages * costs.harvestMsPerPage;
    const finalCopyMs = this.#link.copy().send(finalBytes, stopMs + harvestMs);
    const downtimeMs = costs.handoverMs + harvestMs + finalCopyMs;
    return {
      finalPages,
      finalBytes,
      finalCopyMs,
      downtimeMs,
      totalMs: stopMs + downtimeMs + costs.aroundMs / 2,
      totalBytes: this.#bytes + finalBytes,
    };
  }
}
