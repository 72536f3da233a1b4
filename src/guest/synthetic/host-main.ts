import type net from "node:net";
import { chdir } from "node:process";
import { systemClock } from "../../base/clock.ts";
import { MigrationError } from "../../base/errors.ts";
import { CONTROL_SOCKET } from "../registry.ts";
import type { HostOrder, HostReport } from "./launch.ts";
import { Machine } from "./machine.ts";
import { controlServer } from "./server.ts";
import { answerVerb } from "./verbs.ts";

/** Signals that a terminal or its end sends to whoever started from it. */
const TERMINAL_SIGNALS = ["SIGINT", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU"] as const;

/**
 * Entry point of a synthetic guest's process. Its maker sends one order, gets one report and goes;
 * from then on the control socket is the only way in, and `destroy` the only regular way out.
 */
function main(): void {
  for (const signal of TERMINAL_SIGNALS) {
    process.on(signal, () => undefined);
  }
  const giveUp = () => process.exit(1);
  process.once("disconnect", giveUp);
  process.once("message", async (order: HostOrder) => {
    const report = await started(order);
    process.send?.(report, () => {
      process.off("disconnect", giveUp);
      if (report.error !== undefined) {
        process.exit(1);
      }
      process.disconnect();
    });
  });
}

async function started(order: HostOrder): Promise<HostReport> {
  try {
    await start(order);
    return {};
  } catch (error) {
    if (error instanceof MigrationError) {
      return { error: { code: error.code, where: error.where } };
    }
    const reason = error instanceof Error ? error.message : String(error);
    return { error: { code: "GUEST_UNAVAILABLE", where: { reason } } };
  }
}

async function start({ config, folder, startAs }: HostOrder): Promise<void> {
  const onFailure = (error: Error) => {
    // Without one of its vCPUs the guest is lost; the process's end says so to everyone.
    console.error(error);
    process.exit(1);
  };
  const machine = await Machine.create({ config, clock: systemClock, onFailure });
  if (startAs !== "incoming") {
    await machine.fill();
  }
  const server = controlServer((request) =>
    request.verb === "destroy"
      ? { afterwards: () => process.exit(0) }
      : answerVerb(machine, request),
  );
  endWhenAbandoned(server, machine);
  // A relative path fits the system's limit however long the folder's is.
  chdir(folder);
  process.umask(0o077);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(CONTROL_SOCKET, resolve);
  });
  if (startAs === "running") {
    machine.run();
  } else if (startAs === "paused") {
    await machine.stop("paused");
  }
}

/** An incoming guest without its state is of no use once whoever was filling it is gone. */
function endWhenAbandoned(server: net.Server, machine: Machine): void {
  let clientCount = 0;
  server.on("connection", (socket) => {
    clientCount++;
    socket.once("close", () => {
      clientCount--;
      if (clientCount === 0 && machine.runState === "incoming") {
        process.exit(0);
      }
    });
  });
}

main();
