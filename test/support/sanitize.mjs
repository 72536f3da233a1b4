/**
 * `npm run sanitize`: builds the pumps' C++ with ThreadSanitizer, then with AddressSanitizer and
 * UndefinedBehaviorSanitizer, and sends memory through them; then the tests of what knows PV guests
 * with the latter. Ends with status 1 on any report.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = path.join(ROOT, "build", "sanitize");
const NOT_CORE = new Set(["bindings.cc", "baselines.cc"]);

/** C++ files of a folder. */
function sourcesOf(folder) {
  return readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith(".cc") && !NOT_CORE.has(name))
    .map((name) => path.join(folder, name));
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) {
    process.stderr.write(`${program} failed${error ? `: ${error.message}` : ""}\n`);
    process.exit(1);
  }
}

/** Compiles a program with a sanitizer and runs it. */
function runSanitized(name, sanitizer, files) {
  const program = path.join(BUILD, `${name}-${sanitizer.replace(",", "-")}`);
  process.stdout.write(`${name} -fsanitize=${sanitizer}\n`);
  const flags = ["-std=c++20", "-O1", "-g", `-fsanitize=${sanitizer}`, "-fno-sanitize-recover=all"];
  run(process.env.CXX ?? "c++", [...flags, "-o", program, ...files, "-lpthread", "-ldl"]);
  run(program, []);
}

const PUMP = [...sourcesOf("native/engine"), ...sourcesOf("native/pump")];
const PV = [
  ...["p2m", "pins", "shared", "tables", "vcpu"].map((name) => `native/xen/pv_${name}.cc`),
  ...sourcesOf("test/native/pv"),
];

mkdirSync(BUILD, { recursive: true });
for (const sanitizer of ["thread", "address,undefined"]) {
  runSanitized("pump-driver", sanitizer, [...PUMP, path.join("test", "native", "pump_driver.cc")]);
}
runSanitized("pv-tests", "address,undefined", PV);
