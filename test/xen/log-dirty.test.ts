import { expect, test } from "vitest";
import type { XenDomain } from "../../src/xen/addon.ts";
import { DomainLogDirty } from "../../src/xen/log-dirty.ts";

const made: string[] = [];
const done = (call: string) => {
  made.push(call);
  return Promise.resolve({ value: undefined });
};
const domain = {
  enableLogDirty: () => done("domain on"),
  disableLogDirty: () => done("domain off"),
} as unknown as XenDomain;

test.each([
  {
    kind: "an HVM domain's device model, too",
    deviceModel: {
      switchQemuLogdirty: async (domid: number, mode: string) => void done(`${domid} ${mode}`),
    },
    calls: ["7 on", "domain on", "domain off", "7 off"],
  },
  { kind: "a PV domain alone", deviceModel: undefined, calls: ["domain on", "domain off"] },
])("switches log-dirty mode of $kind", async ({ deviceModel, calls }) => {
  made.length = 0;
  const logDirty = new DomainLogDirty({ domain, domid: 7, frameCount: 64, deviceModel });
  await logDirty.enable();
  await logDirty.disable();
  expect(made).toEqual(calls);
});
