import { MigrationError } from "../base/errors.ts";
import { REPORT_MARK } from "../report/report-lines.ts";
import { type Address, sshWords } from "../transport/address.ts";
import { FAR_FD } from "./operation.ts";
import { shellCommand, shellWord } from "./quote.ts";

/** Where Xen's guests can be moved to. */
export type XenAddress = Extract<Address, { kind: "ssh" | "exec" | "local" }>;

/** What runs at the other end of a migration. */
export interface Receiver {
  readonly address: XenAddress;
  /** The shell's words for ssh, as `xl migrate -s` takes them. */
  readonly ssh: string;
  /** Path of `xl` for a receiver on this machine. */
  readonly localXl: string;
  /** Path of our save helper there; undefined for the one that `xl` there uses anyway. */
  readonly helper: string | undefined;
  /** Leaves the guest paused. */
  readonly isPaused: boolean;
}

/** @throws MigrationError TRANSPORT_ADDRESS: `xl` writes to a command's standard input only */
export function checkXenAddress(address: Address, text: string): XenAddress {
  if (address.kind === "tcp" || address.kind === "unix") {
    const expected =
      "HOST, localhost or exec:COMMAND: a guest of Xen goes through a command's pipes";
    throw new MigrationError("TRANSPORT_ADDRESS", { address: text, expected });
  }
  return address;
}

/**
 * The shell's command that leads to a receiver, for `xl migrate -s ''`: it tells its process by a
 * report, and what the receiver writes to its standard error goes to a descriptor of its own.
 */
export function receiverCommand(receiver: Receiver): string {
  const report = `${REPORT_MARK}{"event":"transport","pid":%d,"atMs":0}`;
  const away = `2>&${FAR_FD} ${FAR_FD}>&-`;
  return `printf '${report}\\n' $$ >&${FAR_FD}; exec ${commandOf(receiver)} ${away}`;
}

/** A command on the machine of `address`, as a shell here runs it. */
export function remoteCommand(
  { address, ssh }: Pick<Receiver, "ssh"> & { readonly address: SshAddress },
  words: readonly string[],
): string {
  // What ssh is given is put together by it, and taken apart by the shell there.
  return `${ssh} ${shellCommand(sshWords(address))} ${shellWord(shellCommand(words))}`;
}

type SshAddress = Extract<Address, { kind: "ssh" }>;

function commandOf({ address, ssh, localXl, helper, isPaused }: Receiver): string {
  const receive = ["migrate-receive", ...(isPaused ? ["-p"] : [])];
  switch (address.kind) {
    case "exec":
      return shellCommand(address.command);
    case "local":
      return shellCommand([...variables(helper), localXl, ...receive]);
    case "ssh":
      return remoteCommand({ address, ssh }, [...variables(helper), "xl", ...receive]);
  }
}

function variables(helper: string | undefined): readonly string[] {
  return helper === undefined
    ? []
    : ["env", `LIBXL_SAVE_HELPER=${helper}`, "XENFERRY_REPORT=stderr"];
}
