import { describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { pageTaker } from "../../src/migration/page-taker.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzReceive } from "../support/fuzz-receive.ts";

const { addon, reason } = probePump();

describe.skipIf(addon === undefined)(`taking pages by threads (${reason ?? "add-on"})`, () => {
  it("stores and refuses what reading by events does", async () => {
    const { failures } = await fuzzReceive(fuzzSettings("receive", 300));
    expect(failures).toBeGreaterThan(50);
  });
});

describe("pageTaker", () => {
  it("leaves pages to events where the native engine is not used", () => {
    const source = new BufferedSource([]);
    const { signal } = new AbortController();
    const memory = () => ({ pfnCount: 1, scatter: async () => undefined });
    expect(pageTaker({ source, engine: createReferenceEngine(), signal, memory })).toBeUndefined();
  });
});
