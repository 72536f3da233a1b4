import { readFileSync } from "node:fs";
import { type Profile, parseProfile } from "#dist/report/profile.js";
import type { Via } from "./baseline.ts";
import type { Lab } from "./lab.ts";
import type { Counted, Usage } from "./process.ts";

/** A migration that went well, the guest's own proof included. */
export interface Moved {
  readonly profile: Profile;
  readonly source: Usage;
  readonly target: Usage;
}

/** A migration's way, and what else to say on the command line. */
export interface Move {
  readonly via: Via;
  readonly options?: readonly string[];
  /** Of what ends a profile is recorded; without one, there is what any migration tells. */
  readonly recording?: "source" | "both ends" | "none" | undefined;
}

const GUEST = "bench";

/**
 * Creates a guest, has `work` use it, and destroys it. Where `work` fails the run ends, and the
 * guest is left to the lab, whose disposing cannot hide the reason.
 *
 * @param description as `xenferry create --guest` takes it.
 */
export async function withGuest<Result>(
  lab: Lab,
  description: string,
  work: (name: string) => Promise<Result>,
): Promise<Result> {
  const name = await createGuest(lab, description);
  const result = await work(name);
  await destroyGuest(lab, name);
  return result;
}

/** Creates a guest; there is one at a time. @returns its name */
export async function createGuest(lab: Lab, description: string): Promise<string> {
  await lab.xenferry("create", "--guest", description, "--name", GUEST);
  return GUEST;
}

/** Ends a guest. */
export async function destroyGuest(lab: Lab, name: string): Promise<void> {
  await lab.xenferry("destroy", name);
}

/**
 * Migrates a guest to a receiver of its own and has it prove its memory there.
 *
 * @throws Error with what both sides said, since often the one that ends first is not to blame
 */
export async function migrate(lab: Lab, name: string, move: Move): Promise<Moved> {
  const { via, options = [], recording = "source" } = move;
  const listen = via === "unix" ? `unix:${lab.path(".sock")}` : "tcp://127.0.0.1:0";
  const there = recording === "both ends" ? ["--profile", lab.path(".json")] : [];
  const receiver = lab.startXenferry("receive", "--listen", listen, ...there);
  const { listening } = JSON.parse(await receiver.firstLine()) as { readonly listening: string };
  const file = lab.path(".json");
  const here = recording === "none" ? [] : ["--profile", file];
  const sender = lab.xenferry("migrate", name, listening, ...here, ...options);
  sender.catch(receiver.stop);
  const [sent, received] = await bothEnds(sender, receiver.finished);
  await proveGuest(lab, name);
  const profile = parseProfile(recording === "none" ? sent.stdout : readFileSync(file, "utf8"));
  return { profile, source: sent.usage, target: received.usage };
}

async function bothEnds(
  source: Promise<Counted>,
  target: Promise<Counted>,
): Promise<readonly [Counted, Counted]> {
  const ends = await Promise.allSettled([source, target]);
  const [sent, received] = ends;
  if (sent.status === "fulfilled" && received.status === "fulfilled") {
    return [sent.value, received.value];
  }
  throw new Error(
    ends
      .map((end) => (end.status === "rejected" ? `${end.reason}` : ""))
      .join("\n")
      .trim(),
  );
}

/**
 * Has a guest check every page of its memory, and that no page is stale.
 *
 * @returns page stores in the guest's life. @throws Error unless the proof holds
 */
export async function proveGuest(lab: Lab, name: string): Promise<number> {
  const { stdout } = await lab.xenferry("check", name);
  const { vcpus } = JSON.parse(stdout) as {
    readonly vcpus: readonly { readonly stores: string }[];
  };
  return vcpus.reduce((sum, { stores }) => sum + Number(stores), 0);
}

/** All CPU time of a process in seconds. */
export function cpuSeconds({ userSeconds, systemSeconds }: Omit<Usage, "peakAnonymousBytes">) {
  return userSeconds + systemSeconds;
}
