import { randomBytes } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { identifyProcess, isAlive, type ProcessIdentity } from "./liveness.ts";
import type { GuestKind } from "./types.ts";

/** Most characters of a guest's name. */
export const GUEST_NAME_CHARS_MAX = 64;

/** What a guest under construction has after its name until it is complete. */
export const INCOMING_SUFFIX = "--incoming";

/** What the registry knows of a guest. */
export interface GuestEntry {
  /** The current name: the folder's. The one in `configText` may be older. */
  readonly name: string;
  readonly kind: GuestKind;
  /** The program that holds the guest; its maker's while the guest is being made. */
  readonly process: ProcessIdentity;
  /** The guest's configuration as JSON; the registry does not look into it. */
  readonly configText: string;
  /** `<runDir>/guests/<name>`; holds `guest.json` and the control socket. */
  readonly folder: string;
}

/** Name of the control socket within a guest's folder. */
export const CONTROL_SOCKET = "control.sock";

const ENTRY_FILE = "guest.json";

const entrySchema = z.object({
  version: z.literal(1),
  kind: z.enum(["process", "synthetic"]),
  process: z.object({ pid: z.int().positive(), start: z.string() }),
  config: z.string(),
});

/**
 * The guests of one run folder: `<runDir>/guests/<name>/`, for their owner only.
 *
 * An entry appears complete, by one rename of a folder, and belongs to a process: its maker's
 * until `adopt` hands it to the guest's own. An entry whose process is gone counts for nothing
 * and is removed by whoever meets it.
 */
export interface Registry {
  readonly runDir: string;
  /**
   * Takes a name for a guest about to be made by this process.
   *
   * @throws MigrationError GUEST_NAME_TAKEN, GUEST_CONFIG (name), GUEST_HOST_CALL
   */
  reserve(name: string, kind: GuestKind, configText: string): Promise<GuestEntry>;
  /** Hands an entry to the process that holds the guest. @throws MigrationError GUEST_LOST */
  adopt(entry: GuestEntry, pid: number): Promise<GuestEntry>;
  /** @throws MigrationError GUEST_NOT_FOUND; GUEST_LOST its process is gone, GUEST_CONFIG (name) */
  find(name: string): Promise<GuestEntry>;
  /** Living guests by name; drops dead ones. */
  list(): Promise<readonly GuestEntry[]>;
  /** Renames atomically. @throws MigrationError GUEST_NAME_TAKEN, GUEST_NOT_FOUND, GUEST_CONFIG */
  rename(from: string, to: string): Promise<GuestEntry>;
  /** Renames a guest that the caller holds: {@link rename} in one step. */
  move(entry: GuestEntry, to: string): Promise<GuestEntry>;
  /** Removes what `entry` has left, unless the name belongs to another guest by now. */
  remove(entry: GuestEntry): Promise<void>;
}

/**
 * Opens the registry of a run folder, creating it where needed (mode 0700).
 *
 * @throws MigrationError GUEST_HOST_CALL it cannot be made, or is another user's.
 */
export async function openRegistry(runDir: string): Promise<Registry> {
  const root = path.resolve(runDir, "guests");
  await hostCall("mkdir", root, () => mkdir(root, { recursive: true, mode: 0o700 }));
  const { uid } = await hostCall("stat", root, () => stat(root));
  const own = process.getuid?.() ?? uid;
  if (own !== 0 && uid !== own) {
    throw new MigrationError("GUEST_HOST_CALL", { path: root, reason: "another user's folder" });
  }
  return new FolderRegistry(path.resolve(runDir), root);
}

/** @throws MigrationError GUEST_CONFIG unless `name` can be a guest's. */
export function checkGuestName(name: string): void {
  const bare = arrivedName(name);
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(bare) || bare.length > GUEST_NAME_CHARS_MAX) {
    const reason = `at most ${GUEST_NAME_CHARS_MAX} of A-Z a-z 0-9 . _ - and no . or - first`;
    throw new MigrationError("GUEST_CONFIG", { key: "name", value: name, reason });
  }
}

/** The name that a guest which may be on its way in will have once it is here. */
export function arrivedName(name: string): string {
  return name.endsWith(INCOMING_SUFFIX) ? name.slice(0, -INCOMING_SUFFIX.length) : name;
}

class FolderRegistry implements Registry {
  readonly runDir: string;
  readonly #root: string;

  constructor(runDir: string, root: string) {
    this.runDir = runDir;
    this.#root = root;
  }

  async reserve(name: string, kind: GuestKind, configText: string): Promise<GuestEntry> {
    checkGuestName(name);
    await this.#dropIfDead(name);
    const maker = identifyProcess(process.pid) ?? { pid: process.pid, start: "" };
    const entry = { name, kind, process: maker, configText, folder: this.#folder(name) };
    const draft = this.#hiddenFolder("new");
    await hostCall("mkdir", draft, () => mkdir(draft, { mode: 0o700 }));
    try {
      await writeEntry(draft, entry);
      await this.#place(draft, name);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    return entry;
  }

  async adopt(entry: GuestEntry, pid: number): Promise<GuestEntry> {
    const identity = identifyProcess(pid);
    if (identity === undefined) {
      throw new MigrationError("GUEST_LOST", { guest: entry.name, pid });
    }
    const adopted = { ...entry, process: identity };
    await writeEntry(entry.folder, adopted);
    return adopted;
  }

  async find(name: string): Promise<GuestEntry> {
    checkGuestName(name);
    const entry = await readEntry(this.#folder(name), name);
    if (entry === undefined) {
      throw new MigrationError("GUEST_NOT_FOUND", { guest: name });
    }
    if (!isAlive(entry.process)) {
      throw new MigrationError("GUEST_LOST", { guest: name, pid: entry.process.pid });
    }
    return entry;
  }

  async list(): Promise<readonly GuestEntry[]> {
    const names = (await readdir(this.#root)).filter((name) => !name.startsWith(".")).sort();
    const living: GuestEntry[] = [];
    for (const name of names) {
      const entry = await readEntry(this.#folder(name), name);
      if (entry !== undefined && isAlive(entry.process)) {
        living.push(entry);
      } else if (entry !== undefined) {
        await this.remove(entry);
      }
    }
    return living;
  }

  async rename(from: string, to: string): Promise<GuestEntry> {
    checkGuestName(to);
    const entry = await this.find(from);
    return this.move(entry, to);
  }

  async move(entry: GuestEntry, to: string): Promise<GuestEntry> {
    checkGuestName(to);
    if (entry.name !== to) {
      await this.#place(entry.folder, to).catch(async (error: unknown) => {
        if (!(error instanceof MigrationError) || error.code !== "GUEST_NAME_TAKEN") {
          throw error;
        }
        await this.#dropIfDead(to);
        await this.#place(entry.folder, to);
      });
    }
    return { ...entry, name: to, folder: this.#folder(to) };
  }

  async remove(entry: GuestEntry): Promise<void> {
    // Taken away first and looked at afterwards: between a look and a removal the name could
    // become another guest's.
    const trash = this.#hiddenFolder("old");
    try {
      await rename(entry.folder, trash);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") {
        return;
      }
      throw new MigrationError("GUEST_HOST_CALL", { call: "rename", path: entry.folder }, error);
    }
    const found = await readEntry(trash, entry.name);
    if (found !== undefined && !isSameProcess(found.process, entry.process)) {
      await rename(trash, entry.folder);
      return;
    }
    await rm(trash, { recursive: true, force: true });
  }

  /**
   * Moves a complete folder to a name; a folder with anything in it is never replaced. At once:
   * guests stand still for it, and to wake a thread of the pool takes longer than the call.
   */
  async #place(folder: string, name: string): Promise<void> {
    try {
      renameSync(folder, this.#folder(name));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOTEMPTY" || errno === "EEXIST") {
        throw new MigrationError("GUEST_NAME_TAKEN", { guest: name });
      }
      throw new MigrationError("GUEST_HOST_CALL", { call: "rename", path: folder }, error);
    }
  }

  async #dropIfDead(name: string): Promise<void> {
    const entry = await readEntry(this.#folder(name), name);
    if (entry !== undefined && !isAlive(entry.process)) {
      await this.remove(entry);
    }
  }

  #folder(name: string): string {
    return path.join(this.#root, name);
  }

  /** A folder of ours that is no guest: guests' names never start with a dot. */
  #hiddenFolder(purpose: string): string {
    return path.join(this.#root, `.${purpose}-${randomBytes(9).toString("base64url")}`);
  }
}

async function writeEntry(folder: string, entry: GuestEntry): Promise<void> {
  const { kind, process: owner, configText: config } = entry;
  const draft = path.join(folder, `${ENTRY_FILE}.new`);
  await hostCall("write", draft, async () => {
    const body = { version: 1, kind, process: owner, config };
    await writeFile(draft, `${JSON.stringify(body, null, 2)}\n`, { mode: 0o600 });
    await rename(draft, path.join(folder, ENTRY_FILE));
  });
}

/** Undefined where there is no entry, or nothing that could be one. */
async function readEntry(folder: string, name: string): Promise<GuestEntry | undefined> {
  try {
    const text = await readFile(path.join(folder, ENTRY_FILE), "utf8");
    const { kind, process: owner, config } = entrySchema.parse(JSON.parse(text));
    return { name, kind, process: owner, configText: config, folder };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || errno === "ENOENT" || errno === "ENOTDIR") {
      return undefined;
    }
    throw new MigrationError("GUEST_HOST_CALL", { call: "read", path: folder }, error);
  }
}

function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.start === b.start;
}

function errnoOf(error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" ? code : undefined;
}

async function hostCall<T>(call: string, file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new MigrationError("GUEST_HOST_CALL", { call, path: file }, error);
  }
}
