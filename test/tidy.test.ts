import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../src/base/errors.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LINES_MAX = 400;
const COLUMNS_MAX = 100;

const BELOW_MIGRATION = [
  "base",
  "format",
  "report",
  "model",
  "codec",
  "engine",
  "transport",
  "guest",
];

/** What each room may import besides itself; see ARCHITECTURE.md. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  format: ["base"],
  report: ["base"],
  "report-page": ["base", "report", "model"],
  sweep: ["base", "report", "model"],
  model: ["base", "report"],
  codec: ["base", "format"],
  engine: ["base"],
  transport: ["base", "format"],
  guest: ["base", "format"],
  legacy: ["base", "format", "codec"],
  migration: [...BELOW_MIGRATION, "legacy"],
  helper: [...BELOW_MIGRATION, "migration"],
  xen: [...BELOW_MIGRATION, "migration", "helper"],
  xl: [...BELOW_MIGRATION, "migration", "helper"],
  cli: [...BELOW_MIGRATION, "sweep", "legacy", "migration", "helper", "xen", "xl"],
};

/** The save helper's program puts together what its rooms offer. */
const HELPER_PROGRAM = path.join("src", "helper", "main.ts");

function filesBelow(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((name) => ending.test(name) && !name.split(path.sep).includes("build"));
}

const sources = filesBelow("src", /\.ts$/);
const all = [
  ...sources,
  ...filesBelow("test", /\.(ts|mjs)$/),
  ...filesBelow("bench", /\.(ts|mjs|cc|h)$/),
  ...filesBelow("asm", /\.ts$/),
  ...filesBelow("native", /\.(cc|h)$/),
];
const textOf = (file: string) => readFileSync(path.join(ROOT, file), "utf8");

function importsOf(file: string): readonly string[] {
  return [...textOf(file).matchAll(/(?:from|import) "(\.[^"]+)"/g)].map(([, name]) =>
    path.normalize(path.join(path.dirname(file), name!)),
  );
}

describe("the house", () => {
  test("is there to be looked at", () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  test("imports run one way", () => {
    const parts = sources.filter((file) => file !== HELPER_PROGRAM);
    const wrong = parts.flatMap((file) => {
      const room = file.split(path.sep)[1]!;
      return importsOf(file)
        .filter((target) => target.split(path.sep)[0] === "src")
        .filter((target) => {
          const other = target.split(path.sep)[1]!;
          return IMPORTS[room] !== undefined && other !== room && !IMPORTS[room].includes(other);
        })
        .map((target) => `${file} -> ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("the model needs nothing of Node", () => {
    const model = sources.filter((file) => file.startsWith(path.join("src", "model")));
    expect(
      model.filter((file) =>
        /from "node:|\bprocess\.(env|argv|platform|hr)|\bBuffer\b/.test(textOf(file)),
      ),
    ).toEqual([]);
  });

  test(`files have at most ${LINES_MAX} lines`, () => {
    expect(all.filter((file) => textOf(file).split("\n").length > LINES_MAX + 1)).toEqual([]);
  });

  test(`lines have at most ${COLUMNS_MAX} columns`, () => {
    const long = all.flatMap((file) =>
      textOf(file)
        .split("\n")
        .flatMap((line, index) => (line.length > COLUMNS_MAX ? [`${file}:${index + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  test("only cli prints, exits, or reads arguments and environment", () => {
    const inner = sources.filter((file) => !file.startsWith(path.join("src", "cli")));
    const entryPoints = [/synthetic.(host-main|vcpu-worker)\.ts$/, /helper.process\.ts$/];
    const wrong = inner
      .filter((file) => !entryPoints.some((entry) => entry.test(file)))
      .filter((file) => /console\.|process\.(exit|argv|env)\b/.test(textOf(file)));
    expect(wrong).toEqual([]);
  });

  test("only the table declares errors", () => {
    const wrong = sources.filter(
      (file) => !file.endsWith("errors.ts") && /extends Error\b/.test(textOf(file)),
    );
    expect(wrong).toEqual([]);
  });

  test("each error code is used", () => {
    const text = all
      .filter((file) => !file.endsWith("errors.ts"))
      .map(textOf)
      .join("\n");
    expect(ERROR_CODES.filter((code) => !text.includes(code))).toEqual([]);
  });

  test("no test is left alone or switched off", () => {
    const tests = all.filter((file) => file.endsWith(".test.ts") && !file.endsWith("tidy.test.ts"));
    expect(
      tests.filter((file) => /\.only\(|\b(it|test|describe)\.skip\(/.test(textOf(file))),
    ).toEqual([]);
  });

  test("nothing is left to do, and nothing names a machine", () => {
    const leftovers = /\b(TODO|FIXME|XXX|HACK)\b|\/work\/|\/root\//;
    const wrong = all.filter(
      (file) => !file.endsWith("tidy.test.ts") && leftovers.test(textOf(file)),
    );
    expect(wrong).toEqual([]);
  });
});
