/** Checks (or with `--write` applies) the C++ format of every file under native/ and bench/. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const isWrite = process.argv.includes("--write");
const files = ["native", "bench"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(cc|h)$/.test(name) && !name.split(path.sep).includes("build"))
    .map((name) => path.join(folder, name)),
);
const tool = path.join("node_modules", ".bin", "clang-format");
const mode = isWrite ? ["-i"] : ["--dry-run", "--Werror"];
const { status } = spawnSync(tool, [...mode, ...files], { stdio: "inherit" });
process.exit(status ?? 1);
