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

/** The stop flag is looked at before each operation and ends each wait. */
function runUntilStopped({ seat, guest, pacer }: Vcpu): void {
  const stop = new Int32Array(seat.memory.buffer, seat.layout.stopOffset, 1);
  pacer.restart(systemClock.nowMs());
  while (Atomics.load(stop, 0) === 0) {
    pacer.done(guest.runOperations(pacer.due(systemClock.nowMs())));
    Atomics.wait(stop, 0, 0, pacer.waitMs());
  }
}

main();
