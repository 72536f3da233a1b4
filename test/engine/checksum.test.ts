import { describe, expect, test } from "vitest";
import { checksumContract } from "../contract/engine.ts";
import { bitwiseCrc32c } from "../support/crc32c.ts";
import { describeEngines } from "../support/engines.ts";

/** The definition the suites compare with, against published vectors. @source RFC 3720, B.4 */
describe("bit-by-bit CRC32C", () => {
  test.each([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["32 rising", Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    ["32 falling", Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    ["the check word", Buffer.from("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ])("%s", (_, bytes, crc) => {
    expect(bitwiseCrc32c(bytes)).toBe(crc);
  });

  test("an iSCSI read command", () => {
    const command = Buffer.from(
      "01c00000000000000000000000000000" +
        "14000000000004000000001400000018" +
        "28000000000000000200000000000000",
      "hex",
    );
    expect(bitwiseCrc32c(command)).toBe(0xd9963a56);
  });
});

describeEngines("checksum", checksumContract);
