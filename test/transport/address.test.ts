import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../src/transport/address.ts";

describe("parseAddress", () => {
  it.each([
    ["localhost", { kind: "local" }],
    ["tcp://10.0.0.7:4444", { kind: "tcp", host: "10.0.0.7", port: 4444 }],
    ["tcp://[::1]:0", { kind: "tcp", host: "::1", port: 0 }],
    ["unix:/run/x.sock", { kind: "unix", path: "/run/x.sock" }],
    ["exec:nc -N host 9", { kind: "exec", command: ["nc", "-N", "host", "9"] }],
  ])("reads %s", (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
  });

  it("takes a bare host, with or without user, as ssh", () => {
    expect(parseAddress("xen2")).toEqual({ kind: "ssh", host: "xen2" });
    expect(parseAddress("ssh://root@xen2:2222")).toEqual({
      kind: "ssh",
      host: "root@xen2",
      port: 2222,
    });
  });

  it.each(["", "tcp://host", "tcp://host:70000", "unix:", "-oProxyCommand=x", "a b", "ftp://x"])(
    "refuses %j",
    (text) => {
      expect(() => parseAddress(text)).toThrowError(
        expect.objectContaining({ code: "TRANSPORT_ADDRESS" }),
      );
    },
  );

  it.each([
    "localhost",
    "tcp://10.0.0.7:4444",
    "tcp://[::1]:5",
    "unix:/a b",
    "exec:cat -u",
    "xen2",
  ])("writes %s as it reads it", (text) => {
    expect(formatAddress(parseAddress(text))).toBe(text);
  });
});
