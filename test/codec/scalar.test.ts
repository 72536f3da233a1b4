import { describe, expect, test } from "vitest";
import { type Decoded, decodeLayout, layoutFields } from "../../src/codec/layout.ts";
import { readScalar, type Scalar, withScalar } from "../../src/codec/scalar.ts";
import { HVM_SAVE_TYPES } from "../../src/format/hvm-save.ts";
import { PV_VCPU_BASIC, PV_VCPU_EXTENDED, SHARED_INFO } from "../../src/format/pv-state.ts";
import { hex } from "../support/bytes.ts";
import { seededRandom } from "../support/random.ts";

const bytes = hex("01 02 03 04 05 06 07 f8 ff");
const decimal = (size: number) => ({ type: "integer", bytes: size, base: "decimal" }) as const;

function written(scalar: Scalar, offset: number, text: string, byteOrder?: "big"): string {
  const place = { scalar, offset, ...(byteOrder && { byteOrder }) };
  return Buffer.from(withScalar(bytes, place, text)).toString("hex");
}

describe("values in octets", () => {
  test("are read in their base and byte order", () => {
    const read = (scalar: Scalar, offset: number, byteOrder?: "big") =>
      readScalar(bytes, { scalar, offset, ...(byteOrder && { byteOrder }) });
    expect(read(decimal(2), 0)).toBe(0x0201);
    expect(read(decimal(2), 0, "big")).toBe(0x0102);
    expect(read(decimal(8), 0)).toBe("17872260264855011841");
    expect(read({ ...decimal(8), signed: true }, 0)).toBe("-574483808854539775");
    expect(read({ type: "integer", bytes: 3, base: "hex" }, 1)).toBe("0x40302");
    expect(read({ type: "octets", bytes: 3 }, 1)).toBe("020304");
    expect(read({ type: "bits", shift: 3, bits: 5 }, 7)).toBe(31);
    expect(read({ ...decimal(1), names: { ONE: 1 } }, 0)).toBe("ONE");
    expect(read({ ...decimal(1), names: { ONE: 1 } }, 1)).toBe(2);
  });

  test("are written over what is there, and nothing else", () => {
    expect(written(decimal(2), 1, "0xbeef")).toBe("01efbe04050607f8ff");
    expect(written(decimal(2), 1, "48879", "big")).toBe("01beef04050607f8ff");
    expect(written({ ...decimal(1), signed: true }, 0, "-128")).toBe("80020304050607f8ff");
    expect(written({ type: "octets", bytes: 2 }, 7, "ABcd")).toBe("01020304050607abcd");
    expect(written({ type: "bits", shift: 3, bits: 4 }, 8, "0")).toBe("01020304050607f887");
    expect(written({ ...decimal(1), names: { NINE: 9 } }, 0, "NINE")).toBe("09020304050607f8ff");
    expect(Buffer.from(bytes).toString("hex")).toBe("01020304050607f8ff");
  });

  test.each([
    [decimal(1), "256"],
    [decimal(1), "-1"],
    [{ ...decimal(1), signed: true } as const, "128"],
    [decimal(8), "0x10000000000000000"],
    [decimal(4), "1.5"],
    [decimal(4), "1e3"],
    [decimal(4), " 1"],
    [decimal(4), ""],
    [decimal(4), "0x"],
    [{ type: "bits", shift: 0, bits: 3 } as const, "8"],
    [{ type: "octets", bytes: 2 } as const, "abc"],
    [{ type: "octets", bytes: 2 } as const, "zzzz"],
    [{ ...decimal(1), names: { ONE: 1 } } as const, "toString"],
  ])("%j cannot be %j", (scalar: Scalar, text) => {
    expect(() => written(scalar, 0, text)).toThrow(
      expect.objectContaining({ code: "FIELD_VALUE" }),
    );
  });
});

/** What is at a path such as `timers[0].config`. */
function at(decoded: Decoded, path: string): unknown {
  return path
    .split(/[.[\]]+/)
    .filter((part) => part !== "")
    .reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], decoded);
}

describe("fields of structures", () => {
  const layouts = [
    ...Object.values(HVM_SAVE_TYPES).flatMap((type) => type.layouts),
    ...[PV_VCPU_BASIC[4], PV_VCPU_BASIC[8], SHARED_INFO[4], SHARED_INFO[8], PV_VCPU_EXTENDED],
  ];

  test("are what is decoded, whatever the length", () => {
    const random = seededRandom("fields of structures");
    for (const layout of layouts) {
      for (const lengthBytes of [layout.sizeBytes, random.below(layout.sizeBytes), 0]) {
        const body = Uint8Array.from({ length: lengthBytes }, () => random.below(256));
        const decoded = decodeLayout(layout, body);
        const fields = [...layoutFields(layout, lengthBytes)];
        const values = fields.map((field) => readScalar(body, field));
        expect(values).toEqual(fields.map(({ path }) => at(decoded, path)));
        const isChanged = fields.map((field, index) =>
          Buffer.compare(withScalar(body, field, String(values[index])), body),
        );
        expect(isChanged.filter((difference) => difference !== 0)).toEqual([]);
        expect(fields).toHaveLength(leaves(decoded));
      }
    }
  });
});

function leaves(value: unknown): number {
  return typeof value === "object" && value !== null
    ? Object.values(value).reduce<number>((sum, inner) => sum + leaves(inner), 0)
    : 1;
}
