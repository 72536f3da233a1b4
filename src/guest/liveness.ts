import { readFileSync } from "node:fs";

/** A process that cannot be mistaken for a later one that got the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and start time in clock ticks; empty where the system has no /proc. */
  readonly start: string;
}

/**
 * Identifies the living process `pid`; undefined if there is none (a zombie is none).
 *
 * @source Linux proc_pid_stat(5): the state is field 3, the start time is field 22.
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (process.platform !== "linux") {
    return canSignal(pid) ? { pid, start: "" } : undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in field 2 may hold spaces and parentheses; what follows its last one does not.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") {
      return undefined;
    }
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return { pid, start: `${bootId}:${fields[19] ?? ""}` };
  } catch {
    // No such process; there is nothing else that reading these files can mean.
    return undefined;
  }
}

/** Whether that very process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.start === identity.start;
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
