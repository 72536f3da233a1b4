import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../base/assert.ts";
import { systemClock } from "../../base/clock.ts";
import { resultOffset } from "./layout.ts";
import type { GuestExports } from "./module.ts";
import { Pacer } from "./pacer.ts";
import { operationsPerSecond, seatVcpu, type VcpuSeat, type VcpuTask } from "./vcpu.ts";

/** Entry point of a vCPU's thread. */
function main(): void {
  assert(parentPort !== null, "a vCPU runs in a worker");
  const port = parentPort;
  const seat = workerData as VcpuSeat;
  const guest = seatVcpu(seat);
  const pacer = new Pacer(operationsPerSecond(seat.config, seat.vcpu));
  port.on("message", (task: VcpuTask) => {
    perform(task, { seat, guest, pacer });
    port.postMessage(task);
  });
  port.postMessage("ready");
}

interface Vcpu {
  readonly seat: VcpuSeat;
  readonly guest: GuestExports;
  readonly pacer: Pacer;
}

function perform(task: VcpuTask, vcpu: Vcpu): void {
  switch (task.verb) {
    case "run":
      runUntilStopped(vcpu);
      break;
    case "fill":
      vcpu.guest.fillPages(task.firstPfn, task.pageCount);
      break;
    case "check":
      vcpu.guest.checkPages(task.firstPfn, task.pageCount, resultOffset(vcpu.seat.vcpu));
      break;
  }
}

/** How long a vCPU that has to rest in between waits for work (ms). */
const TICK_MS = 1;

/** What it runs at a time at most, however long it waited for a processor (ms). */
const SLICE_MS = 2;

/**
 * The stop flag is looked at before each operation and ends each wait. Where the vCPU is throttled
 * it rests after it ran, and nothing comes due meanwhile.
 */
function runUntilStopped({ seat, guest, pacer }: Vcpu): void {
  const stop = new Int32Array(seat.memory.buffer, seat.layout.stopOffset, 1);
  const throttle = new Int32Array(seat.memory.buffer, seat.layout.throttleOffset, 1);
  pacer.restart(systemClock.nowMs());
  while (Atomics.load(stop, 0) === 0) {
    const percent = Atomics.load(throttle, 0);
    if (percent > 0) {
      runThrottled({ guest, pacer, stop }, percent);
    } else {
      pacer.done(guest.runOperations(pacer.due(systemClock.nowMs())));
      Atomics.wait(stop, 0, 0, pacer.waitMs());
    }
  }
}

/** Runs for a moment, then rests for so long that this was its share of the time. */
function runThrottled(
  { guest, pacer, stop }: Pick<Vcpu, "guest" | "pacer"> & { readonly stop: Int32Array },
  percent: number,
): void {
  const startMs = systemClock.nowMs();
  Atomics.wait(stop, 0, 0, TICK_MS);
  const nowMs = systemClock.nowMs();
  pacer.skipTo(Math.max(startMs, nowMs - SLICE_MS));
  pacer.done(guest.runOperations(pacer.due(nowMs)));
  const ranMs = Math.min(systemClock.nowMs() - startMs, 2 * SLICE_MS);
  Atomics.wait(stop, 0, 0, (ranMs * percent) / (100 - percent));
  pacer.skipTo(systemClock.nowMs());
}

main();
