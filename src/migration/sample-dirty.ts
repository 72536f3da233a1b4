import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { bitmapBytes } from "../base/units.ts";
import type { GuestSource } from "../guest/types.ts";
import type { DirtyPoint } from "../model/dirty-curve.ts";
import { throwIfInterrupted } from "./interruption.ts";

/** What looking at a guest's dirty log showed, and what it cost the guest. */
export interface DirtySamples {
  readonly points: readonly DirtyPoint[];
  /** Of each reading that reset the bitmap: how many pages were dirty, how long it took. */
  readonly harvests: readonly { readonly dirtyPages: number; readonly durationMs: number }[];
  readonly stores: StoreRates;
}

/** Page stores a second of all vCPUs before, while and after a guest was looked at. */
export interface StoreRates {
  readonly before: number;
  readonly meanwhile: number;
  readonly after: number;
}

/** How a guest is looked at. */
export interface SampleOptions {
  readonly guest: Pick<GuestSource, "logDirty" | "memory" | "status">;
  readonly clock: Clock;
  /** How long with the dirty log on. */
  readonly timeMs: number;
  readonly signal: AbortSignal;
}

/** Windows that the log is looked at after: the shortest, and how each grows to the next. */
const WINDOW_MS_MIN = 10;
const WINDOW_GROWTH = 1.5;

/** Shares of the time of passes that begin anew, one after the other. */
const PASS_SHARES = [0.05, 0.05, 0.1, 0.2, 0.6] as const;

/** How long the guest's own pace is looked at before and after, as a share of the time. */
const QUIET_SHARE = 0.15;

/**
 * Looks at how a running guest dirties its memory, without moving it: log-dirty on, several passes
 * that each begin with a clean bitmap and look at it at growing windows without resetting it, then
 * log-dirty off, whatever happens.
 *
 * @throws MigrationError MIGRATION_INTERRUPTED, GUEST_*
 */
export async function sampleDirty(options: SampleOptions): Promise<DirtySamples> {
  const { guest, timeMs } = options;
  const before = await storeRate(options, timeMs * QUIET_SHARE);
  const points: DirtyPoint[] = [];
  const harvests: { dirtyPages: number; durationMs: number }[] = [];
  let meanwhile = before;
  try {
    await guest.logDirty.enable();
    const [count, startMs] = [await storesOf(guest), options.clock.nowMs()];
    const bitmap = new Uint8Array(bitmapBytes(guest.memory.pfnCount));
    for (const share of PASS_SHARES) {
      const { startMs: passStartMs, ...harvest } = await clean(options, bitmap);
      harvests.push(harvest);
      points.push(...(await samplePass(options, passStartMs, timeMs * share)));
    }
    harvests.push(await clean(options, bitmap));
    meanwhile = perSecond(await storesOf(guest), count, options.clock.nowMs() - startMs);
  } finally {
    await guest.logDirty.disable();
  }
  const after = await storeRate(options, timeMs * QUIET_SHARE);
  return { points, harvests, stores: { before, meanwhile, after } };
}

async function clean({ guest, clock }: SampleOptions, bitmap: Uint8Array) {
  const beginMs = clock.nowMs();
  const dirtyPages = await guest.logDirty.cleanDirty(bitmap);
  const endMs = clock.nowMs();
  return { dirtyPages, durationMs: endMs - beginMs, startMs: (beginMs + endMs) / 2 };
}

/** A pass: what is dirty after each window, counted from the middle of each reading. */
async function samplePass(
  { guest, clock, signal }: SampleOptions,
  startMs: number,
  passMs: number,
): Promise<readonly DirtyPoint[]> {
  const points: DirtyPoint[] = [];
  for (const windowMs of windowsUpTo(passMs)) {
    await sleep(Math.max(0, startMs + windowMs - clock.nowMs()), undefined, { signal }).catch(
      () => undefined,
    );
    throwIfInterrupted(signal);
    const peekMs = clock.nowMs();
    const dirtyPages = await guest.logDirty.peekDirty();
    points.push({ windowMs: (peekMs + clock.nowMs()) / 2 - startMs, dirtyPages });
  }
  return points;
}

function windowsUpTo(passMs: number): readonly number[] {
  const windows: number[] = [];
  for (let ms = WINDOW_MS_MIN; ms < passMs; ms *= WINDOW_GROWTH) {
    windows.push(ms);
  }
  return [...windows, passMs];
}

async function storeRate(options: SampleOptions, durationMs: number): Promise<number> {
  const { guest, clock, signal } = options;
  const [count, startMs] = [await storesOf(guest), clock.nowMs()];
  await sleep(durationMs, undefined, { signal }).catch(() => undefined);
  throwIfInterrupted(signal);
  return perSecond(await storesOf(guest), count, clock.nowMs() - startMs);
}

function perSecond(after: bigint, before: bigint, durationMs: number): number {
  return (Number(after - before) * 1000) / durationMs;
}

async function storesOf(guest: Pick<GuestSource, "status">): Promise<bigint> {
  const { vcpus } = await guest.status();
  return vcpus.reduce((sum, { stores }) => sum + stores, 0n);
}
