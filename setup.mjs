/**
 * Set-up behind `npm start`, `npm test` and `npm install xenferry`: installs packages, compiles the
 * add-ons, the WASM modules and the TypeScript, each only when its inputs have changed.
 *
 *   node setup.mjs            everything
 *   node setup.mjs install    the add-ons only, as a package's install step; never fails
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const STAMPS = path.join(ROOT, ".setup");
const NO_ADD_ON =
  "The native add-on could not be compiled (it needs python3, make and a C++20 compiler); " +
  "everything that can runs on WebAssembly, slower.";

const steps = {
  packages: {
    inputs: ["package.json", "package-lock.json"],
    output: "node_modules/.package-lock.json",
    run: () => command("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]),
  },
  addons: {
    inputs: ["binding.gyp", "native"],
    output: "native/engine/build/Release/engine.node",
    run: buildAddons,
  },
  wasm: {
    inputs: ["asm"],
    output: "dist/asm/engine.wasm",
    run: buildWasm,
  },
  typescript: {
    inputs: ["src", "tsconfig.json", "tsconfig.build.json"],
    output: "dist/cli/main.js",
    run: buildTypeScript,
  },
};

if (process.argv[2] === "install") {
  runStep("addons", { mayFail: true });
} else {
  runStep("packages");
  runStep("addons", { mayFail: true });
  runStep("wasm");
  runStep("typescript");
}

/** Runs a step unless its inputs are those of its last success and its output is there. */
function runStep(name, { mayFail = false } = {}) {
  const { inputs, output, run } = steps[name];
  const stamp = path.join(STAMPS, name);
  const digest = digestOf(inputs);
  const isCurrent = existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
  if (isCurrent && existsSync(path.join(ROOT, output))) {
    return;
  }
  process.stderr.write(`set-up: ${name} …\n`);
  const result = run();
  if (result.ok) {
    mkdirSync(STAMPS, { recursive: true });
    writeFileSync(stamp, digest);
  } else if (mayFail) {
    process.stderr.write(`set-up: ${NO_ADD_ON}\n`);
  } else {
    process.stderr.write(`${result.output}\nset-up: step '${name}' failed; see above.\n`);
    process.exit(1);
  }
}

function buildAddons() {
  const headers = path.resolve(process.execPath, "..", "..");
  const hasHeaders = existsSync(path.join(headers, "include", "node", "node_api.h"));
  const flags = hasHeaders ? [`--nodedir=${headers}`] : [];
  const local = path.join(ROOT, "node_modules", "node-gyp", "bin", "node-gyp.js");
  return existsSync(local)
    ? command(process.execPath, [local, "rebuild", ...flags])
    : command("node-gyp", ["rebuild", ...flags]);
}

function buildWasm() {
  for (const target of ["engine", "guest"]) {
    const args = ["--config", "asm/asconfig.json", "--target", target];
    const result = command(bin("asc"), [`asm/${target}.ts`, ...args]);
    if (!result.ok) {
      return result;
    }
  }
  return { ok: true, output: "" };
}

/** Compiles, and makes the package's programs executable: libxl runs one of them by its path. */
function buildTypeScript() {
  const result = command(bin("tsc"), ["-p", "tsconfig.build.json"]);
  if (!result.ok) {
    return result;
  }
  const page = bundlePage();
  if (!page.ok) {
    return page;
  }
  const bundled = bundleHelper();
  if (bundled.ok) {
    const { bin: programs } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
    for (const program of Object.values(programs)) {
      chmodSync(path.join(ROOT, program), 0o755);
    }
  }
  return bundled;
}

/**
 * Puts the save helper's modules into one file, main.cjs: xl waits while it starts, and to find and
 * load eighty of them takes longer than all of the rest that Node does. A CommonJS one: to import
 * from Node's own modules is to have all of each loaded, what it loads late by itself included.
 */
function bundleHelper() {
  const output = ["--dir", "dist/helper", "--format", "cjs", "--platform", "node"];
  const names = ["--entry-file-names", "[name].cjs", "--chunk-file-names", "bundle-[name].cjs"];
  return command(bin("rolldown"), ["src/helper/main.ts", ...output, ...names, "--sourcemap"]);
}

/** What a report's page needs is one script and one style sheet, which go into each page. */
function bundlePage() {
  const folder = path.join(ROOT, "dist", "report-page");
  mkdirSync(folder, { recursive: true });
  const styles = ["node_modules/uplot/dist/uPlot.min.css", "src/report-page/style.css"];
  const texts = styles.map((file) => readFileSync(path.join(ROOT, file), "utf8"));
  writeFileSync(path.join(folder, "page.css"), texts.join("\n"));
  const script = path.join(folder, "page.js");
  const output = ["--file", script, "--format", "iife", "--minify"];
  const result = command(bin("rolldown"), ["src/report-page/main.ts", ...output]);
  if (result.ok) {
    const licence = readFileSync(path.join(ROOT, "node_modules/uplot/LICENSE"), "utf8");
    writeFileSync(script, `/*! uPlot. ${licence} */\n${readFileSync(script, "utf8")}`);
  }
  return result;
}

function bin(name) {
  return path.join(ROOT, "node_modules", ".bin", name);
}

function command(program, args) {
  const child = spawnSync(program, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 });
  const output = `${child.stdout ?? ""}${child.stderr ?? ""}${child.error?.message ?? ""}`;
  return { ok: child.status === 0, output };
}

/** One digest over the names and contents of files and folders. */
function digestOf(inputs) {
  const hash = createHash("sha256").update(process.version);
  for (const file of inputs.flatMap(filesBelow)) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(path.join(ROOT, file)));
  }
  return hash.digest("hex");
}

function filesBelow(relative) {
  const full = path.join(ROOT, relative);
  if (!existsSync(full)) {
    return [];
  }
  const entries = readdirSync(path.dirname(full), { withFileTypes: true });
  const self = entries.find((entry) => entry.name === path.basename(full));
  if (!self?.isDirectory()) {
    return [relative];
  }
  const names = readdirSync(full).filter((name) => name !== "build" && name !== "prebuilds");
  return names.sort().flatMap((name) => filesBelow(path.join(relative, name)));
}
