/** Trials of `xenferry` itself, which drives `xl` with our helper at both ends. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { Destination } from "../matrix.ts";
import { type Bench, create, type Facts } from "./bench.ts";
import { startSsh } from "./ssh.ts";
import type { Commands } from "./xl.ts";

/** What is looked at of a profile. */
interface Profile {
  readonly totalMs: number;
  readonly totalPagesSent: number;
}

/** In passing, on the host that it is for: `doctor` finds all that Xen's guests need. */
export async function saveByProgram(bench: Bench): Promise<Facts> {
  const { commands, folder } = bench;
  await mustBeWell(commands);
  const guest = await create(bench);
  const image = path.join(folder, "image");
  const profiles = { save: path.join(folder, "save.json"), restore: path.join(folder, "r.json") };
  const mark = guest.mark();
  await commands.must(["xenferry", "save", guest.name, image, "--profile", profiles.save]);
  await commands.must(["xenferry", "restore", "-e", image, "--profile", profiles.restore]);
  await guest.goesOn(mark);
  const [saved, restored] = [readProfile(profiles.save), readProfile(profiles.restore)];
  return { imageBytes: statSync(image).size, ...samePages(saved, restored) };
}

/** @throws Error that names what it does not find. */
async function mustBeWell(commands: Commands): Promise<void> {
  const { lines } = await commands.must(["xenferry", "doctor", "--json"]);
  const text = lines.map((line) => line.text).join("\n");
  const { xen } = JSON.parse(text) as { xen: readonly { name: string; isAvailable: boolean }[] };
  const missing = xen.filter(({ isAvailable }) => !isAvailable).map(({ name }) => name);
  if (xen.length === 0 || missing.length > 0) {
    throw new Error(`xenferry doctor misses ${missing.join(", ")}`);
  }
}

/** Live, under memory load. */
export async function migrateByProgram(
  { to }: { readonly to: Destination },
  bench: Bench,
): Promise<Facts> {
  const { commands, folder } = bench;
  if (to !== "localhost") {
    await startSsh(commands, to);
  }
  const guest = await create(bench, { isLoaded: true });
  const file = path.join(folder, "profile.json");
  const mark = guest.mark();
  await commands.must(["xenferry", "migrate", guest.name, to, "--profile", file]);
  await guest.goesOn(mark, { incoming: true });
  const { source, target } = readProfile<{ source: Profile; target?: Profile }>(file);
  if (target === undefined) {
    throw new Error("the helper of the other end has given no profile");
  }
  return samePages(source, target);
}

/** @throws Error where one end counts other pages than the other. */
function samePages(sent: Profile, taken: Profile): Facts {
  if (sent.totalPagesSent !== taken.totalPagesSent || sent.totalPagesSent === 0) {
    throw new Error(`${sent.totalPagesSent} pages were sent, ${taken.totalPagesSent} taken`);
  }
  return { sentPages: sent.totalPagesSent, totalMs: Math.round(sent.totalMs) };
}

function readProfile<Kind = Profile>(file: string): Kind {
  return JSON.parse(readFileSync(file, "utf8")) as Kind;
}
