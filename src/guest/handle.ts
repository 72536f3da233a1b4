import { MigrationError } from "../base/errors.ts";
import {
  bigintField,
  type ControlClient,
  type ControlFields,
  type ControlOptions,
  type ControlReply,
  connectControl,
  formatControlLine,
  numberField,
  textField,
} from "./control.ts";
import { isAlive } from "./liveness.ts";
import type { GuestEntry, Registry } from "./registry.ts";
import type { GuestCheck, GuestRunState, GuestStatus, VcpuCounters } from "./types.ts";
import type { VcpuState } from "./workload.ts";

/** How often the end of a guest's process is looked for, and how long at most (ms). */
const END_POLL_MS = 2;
const END_WAIT_MS_MAX = 10_000;

const NANOSECONDS_PER_MS = 1e6;

type Fields = ReadonlyMap<string, string>;

/** A guest program as its control socket shows it: the part that source and sink share. */
export class GuestHandle {
  readonly #registry: Registry;
  readonly #client: ControlClient;
  #entry: GuestEntry;

  private constructor(registry: Registry, entry: GuestEntry, client: ControlClient) {
    this.#registry = registry;
    this.#entry = entry;
    this.#client = client;
  }

  /** @throws MigrationError GUEST_LOST */
  static async open(registry: Registry, entry: GuestEntry): Promise<GuestHandle> {
    return new GuestHandle(registry, entry, await connectControl(entry.folder, entry.name));
  }

  /** Asks what only one kind of guest answers. */
  request(verb: string, fields?: ControlFields, options?: ControlOptions): Promise<ControlReply> {
    return this.#client.request(verb, fields, options);
  }

  async status(): Promise<GuestStatus> {
    const { fields } = await this.#client.request("status");
    return { runState: textField(fields, "state") as GuestRunState, vcpus: counters(fields) };
  }

  async check(): Promise<GuestCheck> {
    const { fields } = await this.#client.request("check");
    const badPfns = textField(fields, "badPfns");
    return {
      pagesChecked: numberField(fields, "pages"),
      pagesBad: numberField(fields, "bad"),
      badPfns: badPfns === "" ? [] : badPfns.split(",").map(Number),
      versionsMatch: textField(fields, "versions") === "1",
      vcpus: counters(fields),
      pauseMs: Number(bigintField(fields, "pauseNs")) / NANOSECONDS_PER_MS,
    };
  }

  /** Sends a request that is answered with nothing but "ok". */
  async tell(verb: "suspend" | "pause"): Promise<void> {
    await this.#client.request(verb);
  }

  async start(mode: "running" | "paused"): Promise<void> {
    await this.#client.request("start", { mode });
  }

  async vcpuStates(): Promise<readonly VcpuState[]> {
    const { fields } = await this.#client.request("state");
    return words(fields).map(([stores, reads, faults, prng, cursor, versions]) => ({
      stores: stores!,
      reads: reads!,
      faults: faults!,
      prng: prng!,
      cursor: cursor!,
      versions: versions!,
    }));
  }

  async setVcpuStates(states: readonly VcpuState[]): Promise<void> {
    await this.#client.request("set-state", stateFields(states));
  }

  /** Runs what the calls above and `rename` run, and asks nothing of the guest but its status. */
  async rehearse(states: readonly VcpuState[]): Promise<void> {
    await this.#registry.move(this.#entry, this.#entry.name);
    formatControlLine("set-state", stateFields(states));
    await this.status();
  }

  async rename(name: string): Promise<void> {
    this.#entry = await this.#registry.move(this.#entry, name);
  }

  /** Ends the guest, waits until its process is gone, and removes its entry. */
  async destroy(): Promise<void> {
    await this.#client.request("destroy").catch(ignoreLost);
    await endOf(this.#entry);
    await this.#registry.remove(this.#entry);
  }

  close(): void {
    this.#client.close();
  }
}

function stateFields(states: readonly VcpuState[]): ControlFields {
  const fields = states.map(({ stores, reads, faults, prng, cursor, versions }, vcpu) => [
    `v${vcpu}`,
    [stores, reads, faults, prng, cursor, versions].join(","),
  ]);
  return Object.fromEntries(fields);
}

function ignoreLost(error: unknown): void {
  if (!(error instanceof MigrationError) || error.code !== "GUEST_LOST") {
    throw error;
  }
}

/** Nothing announces the end of a process that is no child of ours, so this looks for it. */
async function endOf(entry: GuestEntry): Promise<void> {
  const deadline = performance.now() + END_WAIT_MS_MAX;
  while (isAlive(entry.process)) {
    if (performance.now() > deadline) {
      throw new MigrationError("GUEST_HOST_CALL", { call: "destroy", pid: entry.process.pid });
    }
    await new Promise((resolve) => setTimeout(resolve, END_POLL_MS));
  }
}

function words(fields: Fields): readonly (readonly bigint[])[] {
  const vcpus: bigint[][] = [];
  for (let text = fields.get("v0"); text !== undefined; text = fields.get(`v${vcpus.length}`)) {
    vcpus.push(text.split(",").map(BigInt));
  }
  return vcpus;
}

function counters(fields: Fields): readonly VcpuCounters[] {
  return words(fields).map(([stores, reads, faults]) => ({
    stores: stores!,
    reads: reads!,
    faults: faults!,
  }));
}
