import { describe, expect, test } from "vitest";
import { decodeEmulatorPart } from "../../src/codec/libxl-bodies.ts";
import { isSavevm, splitSavevm } from "../../src/codec/savevm.ts";
import { hex, join, text } from "../support/bytes.ts";
import { fixture } from "../support/fixtures.ts";

const source = { body: new Uint8Array(0), byteOrder: "little", name: "EMULATOR_CONTEXT" } as const;
const HEAD = hex("5145564d 00000003");
const END = hex("00");

function section(id: number, name: string, state: string, version = 1): Uint8Array {
  const idHex = id.toString(16).padStart(8, "0");
  const versionHex = version.toString(16).padStart(8, "0");
  const length = name.length.toString(16).padStart(2, "0");
  return join(hex(`04 ${idHex} ${length}`), text(name), hex(`00000002 ${versionHex} ${state}`));
}

describe("splitSavevm", () => {
  test("sections by name, instance, version and size", () => {
    const data = join(HEAD, section(0, "timer", "aabbccdd", 2), section(7, "hpet", "ee"), END);
    expect(isSavevm(data)).toBe(true);
    expect(splitSavevm(data, source)).toEqual({
      version: 3,
      sections: [
        { name: "timer", sectionId: 0, instance: 2, version: 2, offset: 8, bytes: 4 },
        { name: "hpet", sectionId: 7, instance: 2, version: 1, offset: 31, bytes: 1 },
      ],
    });
  });

  test("footers are no state", () => {
    const data = join(
      HEAD,
      section(1, "a", "0102 7e00000001"),
      section(2, "b", "7e00000001 7e00000002"),
      END,
    );
    expect(splitSavevm(data, source).sections.map(({ bytes }) => bytes)).toEqual([2, 5]);
  });

  test("state that looks like the head of a section seen before is state", () => {
    const nested = Buffer.from(section(1, "a", "")).toString("hex");
    const data = join(HEAD, section(1, "a", `${nested}00`), section(2, "b", ""), END);
    const sections = splitSavevm(join(data), source).sections;
    expect(sections.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test.each([
    ["another version", hex("5145564d 00000002 00"), 4],
    ["more data than any device model has", join(HEAD, new Uint8Array(1 << 24)), 0],
    ["no section", join(HEAD, hex("ff")), 8],
    ["no end", join(HEAD, section(1, "a", "01")), 24],
  ])("%s is an error with its place", (_name, data, dataOffset) => {
    const { error } = splitSavevm(data, source);
    expect(error).toMatchObject({ code: "RECORD_VALUE", where: { dataOffset } });
  });

  test("a device model without devices", () => {
    expect(splitSavevm(join(HEAD, END), source)).toEqual({ version: 3, sections: [] });
    expect(isSavevm(hex("5145564d 000000"))).toBe(false);
    expect(isSavevm(text("QemuDeviceModelRecord"))).toBe(false);
  });

  test("QEMU 7.2's devices", () => {
    const { data } = decodeEmulatorPart({ ...source, body: fixture("emulator-context") });
    const { sections, error } = splitSavevm(data, source);
    expect(error).toBeUndefined();
    expect(
      sections.map(({ name, instance, version }) => `${name} ${instance} v${version}`),
    ).toEqual([
      ...["timer 0 v2", "cpu_common 0 v1", "cpu 0 v12", "apic 0 v3"],
      ...["cpu_common 1 v1", "cpu 1 v12", "apic 1 v3", "fw_cfg 0 v2", "PCIBUS 0 v1"],
      ...["0000:00:00.0/I440FX 0 v3", "dma 0 v1", "dma 1 v1", "0000:00:01.0/PIIX3 0 v3"],
      ...["ioapic 0 v3", "hpet 0 v2", "mc146818rtc 0 v3", "serial 0 v3", "fdc 0 v2"],
      ...["ps2kbd 0 v3", "ps2mouse 0 v2", "pckbd 0 v3", "port92 0 v1"],
      ...["0000:00:01.1/ide 0 v3", "i2c_bus 0 v1", "0000:00:01.3/piix4_pm 0 v3"],
      "0000:00:02.0/platform 0 v4",
    ]);
    const heads = sections.reduce((sum, { name }) => sum + 14 + name.length, 0);
    const states = sections.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(8 + heads + states + 1).toBe(data.length);
  });

  test("cut anywhere: the sections before the cut, and an error", () => {
    const { data } = decodeEmulatorPart({ ...source, body: fixture("emulator-context") });
    const all = splitSavevm(data, source).sections;
    for (let cut = 8; cut < data.length; cut++) {
      const { sections, error } = splitSavevm(data.subarray(0, cut), source);
      const whole = sections.slice(0, -1);
      if (error === undefined && data[cut - 1] !== 0) {
        expect.fail(`cut at ${cut}: no error`);
      }
      if (JSON.stringify(whole) !== JSON.stringify(all.slice(0, whole.length))) {
        expect.fail(`cut at ${cut}: other sections`);
      }
    }
  });
});
