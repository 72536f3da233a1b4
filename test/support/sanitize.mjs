/**
 * `npm run sanitize`: builds the pumps' C++ with ThreadSanitizer, then with AddressSanitizer and
 * UndefinedBehaviorSanitizer, sends memory through them and has them read damaged records; runs the
 * tests of what knows PV guests with all three. Ends with status 1 on any report.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = path.join(ROOT, "build", "sanitize");
const NOT_CORE = new Set(["bindings.cc", "baselines.cc"]);

const sources = ["engine", "pump"].flatMap((room) =>
  readdirSync(path.join(ROOT, "native", room))
    .filter((name) => name.endsWith(".cc") && !NOT_CORE.has(name))
    .map((name) => path.join("native", room, name)),
);

function run(program, args, cwd) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: "inherit" });
  if (status !== 0) {
    process.stderr.write(`${program} failed${error ? `: ${error.message}` : ""}\n`);
    process.exit(1);
  }
}

/** Tests of what is PV and needs no hypervisor. */
const pvSources = ["native/xen", "test/native/pv"].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder))
    .filter((name) => name.startsWith("pv_") && name.endsWith(".cc"))
    .map((name) => path.join(folder, name)),
);

const DRIVERS = ["pump_driver.cc", "image_driver.cc", "walk_fuzz.cc"];
const compiler = process.env.CXX ?? "c++";

for (const sanitizer of ["thread", "address,undefined"]) {
  const folder = path.join(BUILD, sanitizer.replace(",", "-"));
  mkdirSync(folder, { recursive: true });
  process.stdout.write(`-fsanitize=${sanitizer}\n`);
  const flags = ["-std=c++20", "-O1", "-g", `-fsanitize=${sanitizer}`, "-fno-sanitize-recover=all"];
  run(compiler, [...flags, "-c", ...sources.map((file) => path.join(ROOT, file))], folder);
  const objects = sources.map((file) => `${path.basename(file, ".cc")}.o`);
  for (const name of DRIVERS) {
    const driver = path.join(folder, path.basename(name, ".cc"));
    const source = path.join(ROOT, "test", "native", name);
    run(compiler, [...flags, "-o", driver, source, ...objects, "-lpthread", "-ldl"], folder);
    run(driver, [], folder);
  }
  const pvTests = path.join(folder, "pv_tests");
  run(compiler, [...flags, "-o", pvTests, ...pvSources], ROOT);
  run(pvTests, [], folder);
}
