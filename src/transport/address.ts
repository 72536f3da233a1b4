import { MigrationError } from "../base/errors.ts";

/** Where the other end of a migration is. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** A command whose standard input and output are the wire. */
  | { readonly kind: "exec"; readonly command: readonly string[] }
  /** A machine that is reached through ssh. */
  | { readonly kind: "ssh"; readonly host: string; readonly port?: number }
  /** This machine: a receiver started for the purpose. */
  | { readonly kind: "local" };

const PORT_MAX = 65_535;

/**
 * Reads an address as people write it.
 *
 * `tcp://HOST:PORT` (IPv6 in brackets), `unix:PATH`, `exec:COMMAND` (split at spaces), `localhost`,
 * `ssh://[USER@]HOST[:PORT]`; a bare `HOST` means ssh, as in xl.
 *
 * @throws MigrationError TRANSPORT_ADDRESS
 */
export function parseAddress(text: string): Address {
  if (text === "localhost") {
    return { kind: "local" };
  }
  const [, scheme, rest] = /^(tcp:\/\/|unix:|exec:|ssh:\/\/)(.*)$/.exec(text) ?? [];
  switch (scheme) {
    case "tcp://":
      return parseTcp(text, rest ?? "");
    case "unix:":
      return { kind: "unix", path: nonEmpty(text, rest) };
    case "exec:":
      return { kind: "exec", command: nonEmpty(text, rest).split(/\s+/) };
    case "ssh://":
      return parseSsh(text, rest ?? "");
    default:
      return parseSsh(text, text);
  }
}

/** What `ssh` needs to be told of an address, before the command that it is to run there. */
export function sshWords({ host, port }: Extract<Address, { kind: "ssh" }>): readonly string[] {
  return port === undefined ? [host] : ["-p", String(port), host];
}

/** Writes an address as {@link parseAddress} reads it. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case "tcp":
      return address.host.includes(":")
        ? `tcp://[${address.host}]:${address.port}`
        : `tcp://${address.host}:${address.port}`;
    case "unix":
      return `unix:${address.path}`;
    case "exec":
      return `exec:${address.command.join(" ")}`;
    case "ssh":
      return address.port === undefined ? address.host : `ssh://${address.host}:${address.port}`;
    case "local":
      return "localhost";
  }
}

function parseTcp(text: string, rest: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(rest);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > PORT_MAX) {
    throw new MigrationError("TRANSPORT_ADDRESS", { address: text, expected: "tcp://HOST:PORT" });
  }
  return { kind: "tcp", host, port };
}

function parseSsh(text: string, rest: string): Address {
  const match = /^((?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?$/.exec(rest);
  if (match === null) {
    const expected = "HOST, localhost, tcp://HOST:PORT, unix:PATH, exec:COMMAND or ssh://HOST";
    throw new MigrationError("TRANSPORT_ADDRESS", { address: text, expected });
  }
  const [, host = "", port] = match;
  return { kind: "ssh", host, ...(port !== undefined && { port: Number(port) }) };
}

function nonEmpty(text: string, rest: string | undefined): string {
  if (rest === undefined || rest.trim() === "") {
    throw new MigrationError("TRANSPORT_ADDRESS", {
      address: text,
      expected: "something after ':'",
    });
  }
  return rest.trim();
}
