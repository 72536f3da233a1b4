/**
 * `npm run sanitize`: builds the pumps' C++ with ThreadSanitizer, then with AddressSanitizer and
 * UndefinedBehaviorSanitizer, and sends memory through them. Ends with status 1 on any report.
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

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) {
    process.stderr.write(`${program} failed${error ? `: ${error.message}` : ""}\n`);
    process.exit(1);
  }
}

mkdirSync(BUILD, { recursive: true });
for (const sanitizer of ["thread", "address,undefined"]) {
  const driver = path.join(BUILD, `pump-driver-${sanitizer.replace(",", "-")}`);
  process.stdout.write(`-fsanitize=${sanitizer}\n`);
  const flags = ["-std=c++20", "-O1", "-g", `-fsanitize=${sanitizer}`, "-fno-sanitize-recover=all"];
  const files = [...sources, path.join("test", "native", "pump_driver.cc")];
  run(process.env.CXX ?? "c++", [...flags, "-o", driver, ...files, "-lpthread", "-ldl"]);
  run(driver, []);
}
