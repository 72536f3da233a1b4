import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { runBaseline } from "./baseline.ts";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { cpuSeconds, createGuest } from "./guest.ts";
import { type Lab, ROOT } from "./lab.ts";
import type { Usage } from "./process.ts";

const MIB_BYTES = 2 ** 20;
const READ = "cat";
const XENS = "Xen's verify-stream-v2";

/** Where the checker is: a Xen of this machine, or what the tests have fetched. */
const XEN_FOLDERS = ["/usr/lib", path.join(ROOT, ".setup", "xen-utils", "usr", "lib")];

/** An image verified in both depths, beside reading it and Xen's own checker. */
export const verifyCase: MigrationCase = {
  name: "migration/verify",
  about: "the image of an idle guest of random content, in the page cache, verified",
  columns: [
    { key: "gigabytesPerSecond", head: "GB/s", digits: 2 },
    { key: "seconds", head: "s", digits: 3 },
    { key: "wholeSeconds", head: "whole s", digits: 2 },
    { key: "cpuSeconds", head: "CPU s", digits: 2 },
    { key: "peak", head: "peak MiB", digits: 0 },
  ],
  better: "more",
  baselines: [READ, XENS],
  prepare: async (lab) => {
    const image = path.join(lab.files, "image");
    const name = await createGuest(lab, `process:memory=${lab.memoryBytes},dirty=0,fill=random`);
    await lab.xenferry("save", name, image);
    const xens = xensChecker();
    return {
      contestants: [
        verify(lab, image, "verify"),
        verify(lab, image, "verify --deep", "--deep"),
        verify(lab, image, "verify --deep, WASM", "--deep", "--engine", "wasm"),
        program(lab, image, READ, ["sh", "-c", 'cat "$1" > /dev/null', "sh", image]),
        ...(xens === undefined ? [] : [program(lab, image, XENS, [...xens, image])]),
      ],
      skipped: xens === undefined ? [`${XENS}: there is none on this machine`] : [],
      dispose: async () => rmSync(image, { force: true }),
    };
  },
};

/** The command line of Xen's checker, up to the image; `undefined` where there is none. */
function xensChecker(): readonly string[] | undefined {
  const versions = XEN_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.startsWith("xen-"))
      .map((name) => path.join(folder, name)),
  );
  const found = versions.find((folder) => existsSync(path.join(folder, "bin/verify-stream-v2")));
  if (found === undefined) {
    return undefined;
  }
  const modules = `PYTHONPATH=${path.join(found, "lib/python")}`;
  const script = path.join(found, "bin/verify-stream-v2");
  return ["env", modules, "python3", script, "-f", "xl", "-i"];
}

function verify(lab: Lab, image: string, name: string, ...options: readonly string[]): Contestant {
  return {
    name,
    run: async () => {
      await runBaseline(lab, "sum", `path=${image}`);
      const { stdout, seconds, usage } = await lab.xenferry("verify", image, ...options);
      const { summary, elapsedMs } = JSON.parse(stdout) as {
        readonly summary: { readonly isAccepted: boolean };
        readonly elapsedMs: number;
      };
      if (!summary.isAccepted) {
        throw new Error(`${name} does not accept the image`);
      }
      return runOf(image, { seconds: elapsedMs / 1000, wholeSeconds: seconds, usage });
    },
  };
}

function program(
  lab: Lab,
  image: string,
  name: string,
  [command = "", ...args]: readonly string[],
): Contestant {
  return {
    name,
    run: async () => {
      await runBaseline(lab, "sum", `path=${image}`);
      const { seconds, usage } = await lab.start(command, args).finished;
      return runOf(image, { seconds, wholeSeconds: seconds, usage });
    },
  };
}

function runOf(
  image: string,
  run: { readonly seconds: number; readonly wholeSeconds: number; readonly usage: Usage },
): Run {
  const { seconds, wholeSeconds, usage } = run;
  return {
    figures: {
      gigabytesPerSecond: statSync(image).size / seconds / 1e9,
      seconds,
      wholeSeconds,
      cpuSeconds: cpuSeconds(usage),
      peak: usage.peakRssBytes / MIB_BYTES,
    },
  };
}
