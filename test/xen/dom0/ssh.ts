/** An ssh server in dom0 that lets its own root in. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Commands } from "./xl.ts";

const SERVER = "/usr/sbin/sshd";
const HOST_KEY = "/run/sshd/host-key";
const USER_FOLDER = path.join(homedir(), ".ssh");

/**
 * Starts the server, unless it runs already, so that `ssh HOST` asks for nothing.
 *
 * @param host a name of this machine.
 */
export async function startSsh(commands: Commands, host: string): Promise<void> {
  if (existsSync(HOST_KEY)) {
    return;
  }
  for (const folder of [path.dirname(HOST_KEY), USER_FOLDER]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  const userKey = path.join(USER_FOLDER, "id_ed25519");
  for (const file of [userKey, HOST_KEY]) {
    await commands.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file]);
  }
  const userFile = (name: string, text: string) =>
    writeFileSync(path.join(USER_FOLDER, name), text, { mode: 0o600 });
  userFile("authorized_keys", readFileSync(`${userKey}.pub`, "utf8"));
  userFile("known_hosts", `${host} ${readFileSync(`${HOST_KEY}.pub`, "utf8")}`);
  await commands.must([SERVER, "-f", "/dev/null", "-h", HOST_KEY]);
}
