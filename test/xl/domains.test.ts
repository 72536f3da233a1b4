import { expect, test } from "vitest";
import { parseDomains } from "../../src/xl/domains.ts";

const HEAD = "Name                                        ID   Mem VCPUs\tState\tTime(s)";

/** As xl 4.17 prints them. */
const lineOf = (name: string, domid: number, flags: string) =>
  `${name.padEnd(40)} ${String(domid).padStart(5)}    32     1     ${flags}       1.5`;

const listed = (...lines: readonly string[]) => `${[HEAD, ...lines].join("\n")}\n`;

const longOf = (domid: number, type: string) => ({
  domid,
  config: { c_info: { type, name: "x" } },
});

test("gives number, memory, vCPUs and type of each guest, and no dom0", () => {
  const short = listed(
    "Domain-0                                     0  1536     2     r-----      12.9",
    lineOf("web", 7, "-b----"),
  );
  expect(parseDomains(short, JSON.stringify([longOf(7, "hvm")]))).toEqual([
    { name: "web", domid: 7, type: "hvm", memoryBytes: 33_554_432, vcpus: 1, state: "running" },
  ]);
});

test.each([
  ["r-----", "running"],
  ["-b----", "running"],
  ["------", "running"],
  ["--p---", "paused"],
  ["-b-s--", "shut down"],
  ["---sr-", "shut down"],
  ["---ss-", "suspended"],
  ["---sc-", "crashed"],
  ["---sw-", "shut down"],
  ["--ps-d", "dying"],
])("reads the flags %s as %s", (flags, state) => {
  expect(parseDomains(listed(lineOf("web", 7, flags)), "[]")).toMatchObject([{ state }]);
});

test.each(["a b  c", "12", "(null)", "x 1 2 3     r-----  1.0", "a".repeat(60)])(
  "reads a name such as %j",
  (name) => {
    expect(parseDomains(listed(lineOf(name, 7, "r-----")), "[]")).toMatchObject([
      { name, domid: 7 },
    ]);
  },
);

test("leaves out a type that nobody knows", () => {
  const long = JSON.stringify([longOf(7, "arm"), { config: { c_info: {} } }]);
  expect(parseDomains(listed(lineOf("web", 7, "r-----")), long)).toEqual([
    expect.not.objectContaining({ type: expect.anything() }),
  ]);
});

test.each([
  [listed("what is this"), "[]"],
  [listed(lineOf("web", 7, "r-----")), "not JSON"],
  [listed(lineOf("web", 7, "r-----")), '{"domid":7}'],
])("refuses what xl never prints", (short, long) => {
  const refusal = expect.objectContaining({ code: "XL_OUTPUT" });
  expect(() => parseDomains(short, long)).toThrowError(refusal);
});
