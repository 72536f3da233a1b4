import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = path.join(ROOT, "build", "test");

/** The C++ compiler; `undefined` where there is none, and tests of C++ programs are skipped. */
export const compiler = [process.env.CXX ?? "c++"].find(
  (name) => spawnSync(name, ["--version"]).status === 0,
);

/** Paths of the C++ sources in `folder` whose names match, from the project's root. */
export function sourcesOf(folder: string, names: RegExp): readonly string[] {
  return readdirSync(path.join(ROOT, folder))
    .filter((name) => names.test(name))
    .map((name) => path.join(folder, name));
}

/** Compiles a test program without optimisation; returns its path. */
export function buildProgram(name: string, sources: readonly string[]): string {
  mkdirSync(BUILD, { recursive: true });
  const program = path.join(BUILD, name);
  const flags = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-o", program];
  const { status, stderr } = spawnSync(compiler ?? "c++", [...flags, ...sources], {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (status !== 0) {
    throw new Error(stderr);
  }
  return program;
}
