import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { PAGE_BYTES, PFN_COUNT_MAX } from "../base/units.ts";
import { parseShare, parseSizeBytes, parseU64, parseXlNumber } from "./quantity.ts";
import type { GuestConfig } from "./types.ts";
import { parseXlCfg, type XlValue } from "./xl-cfg.ts";

/** Most vCPUs of a guest. @source HVM_MAX_VCPUS, xen/include/public/hvm/hvm_info_table.h */
export const VCPUS_MAX = 128;

/** Most page stores a second that a description may ask for. */
const STORES_PER_SECOND_MAX = 1e9;

const MIB_BYTES = 2 ** 20;
const KIB_BYTES = 2 ** 10;

/** What a description that does not say gets. */
const DEFAULTS = {
  name: "guest",
  kind: "process",
  type: "pvh",
  memoryBytes: 256 * MIB_BYTES,
  vcpus: 1,
  storesPerSecond: 5000,
  pattern: "zipf",
  workingSetShare: 0.1,
  readShare: 0.1,
  fill: "random",
  seed: 1n,
} as const;

const KINDS = z.enum(["process", "synthetic"]);
const MEMORY_BYTES = z
  .number()
  .int()
  .min(PAGE_BYTES)
  .max(PFN_COUNT_MAX * PAGE_BYTES)
  .multipleOf(PAGE_BYTES);

const CONFIG = z
  .object({
    name: z
      .string()
      .regex(
        /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(--incoming)?$/,
        "1 to 64 of A-Z a-z 0-9 . _ -, no . or - first",
      ),
    kind: KINDS,
    memoryBytes: MEMORY_BYTES,
    maxMemoryBytes: MEMORY_BYTES,
    vcpus: z.number().int().min(1).max(VCPUS_MAX),
    type: z.enum(["hvm", "pvh"]),
    workload: z.object({
      storesPerSecond: z.number().int().min(0).max(STORES_PER_SECOND_MAX),
      pattern: z.enum(["sequential", "uniform", "zipf"]),
      workingSetPages: z.number().int().min(1),
      readShare: z.number().min(0).lt(1),
      fill: z.enum(["zero", "random", "text", "half-zero"]),
      seed: z
        .bigint()
        .min(0n)
        .max(2n ** 64n - 1n),
    }),
  })
  .refine((config) => config.maxMemoryBytes >= config.memoryBytes, {
    path: ["maxMemoryBytes"],
    message: "less than memory",
  })
  .refine((config) => config.workload.workingSetPages <= config.memoryBytes / PAGE_BYTES, {
    path: ["workload", "workingSetPages"],
    message: "the working set is larger than memory",
  });

/** libxl's JSON as far as an embedded guest needs it, and its own section. */
const IMAGE_JSON = z.object({
  c_info: z.object({ type: z.string(), name: z.string() }),
  b_info: z.object({
    max_vcpus: z.number(),
    max_memkb: z.number(),
    target_memkb: z.number(),
  }),
  xenferry: z.object({
    kind: z.string(),
    stores_per_second: z.number(),
    pattern: z.string(),
    working_set_pages: z.number(),
    read_share: z.number(),
    fill: z.string(),
    seed: z.string(),
  }),
});

/** Settings by the keys of the short form; each value still text. */
type Settings = ReadonlyMap<string, string>;

const WORKLOAD_KEYS = ["dirty", "pattern", "hot", "read", "fill", "seed"];
const SPEC_KEYS = ["name", "memory", "maxmem", "vcpus", "type", ...WORKLOAD_KEYS];
const XENFERRY_KEYS = ["kind", ...WORKLOAD_KEYS];
const XL_KEYS = ["name", "memory", "maxmem", "vcpus", "type"];

/** Other names of settings. */
const ALIASES = new Map([["rate", "dirty"]]);

/**
 * Parses the short form: `process:memory=1G,dirty=200M,hot=10%,pattern=uniform,vcpus=2`.
 *
 * The kind alone is enough. Sizes are octets, K, M, G and T powers of 1024 (KB, MB … of 1000);
 * `dirty` (or `rate`) is octets or, as in `5000p`, pages stored a second, all vCPUs together;
 * `hot`, the working set, is a size or a share of memory.
 *
 * @throws MigrationError GUEST_CONFIG with the key
 */
export function parseGuestSpec(text: string): GuestConfig {
  const colon = text.indexOf(":");
  const kind = colon === -1 ? text : text.slice(0, colon);
  const rest = colon === -1 ? "" : text.slice(colon + 1);
  const pairs = rest === "" ? [] : rest.split(",");
  return configOf(settingsOf(pairs, SPEC_KEYS), { kind, sizeOf: parseSizeBytes });
}

/**
 * Parses an xl.cfg-style file. `memory` and `maxmem` are MiB; the workload is a list of
 * strings: `xenferry = [ "kind=process", "rate=200M", "hot=10%", "pattern=zipf" ]`.
 *
 * @returns the guest, and the keys that mean nothing to an embedded one, in the file's order.
 * @throws MigrationError GUEST_CONFIG with the key or the line
 * @source docs/man/xl.cfg.5.pod.in
 */
export function parseConfigFile(text: string): {
  readonly config: GuestConfig;
  readonly ignoredKeys: readonly string[];
} {
  const file = parseXlCfg(text);
  if (!file.has("name")) {
    throw invalid("name", "", "the key is missing");
  }
  const settings = new Map(settingsOf(stringsOf(file.get("xenferry") ?? []), XENFERRY_KEYS));
  const kind = settings.get("kind") ?? DEFAULTS.kind;
  for (const key of XL_KEYS) {
    const value = file.get(key);
    if (value !== undefined && typeof value !== "string") {
      throw invalid(key, "[…]", "a list where one value is expected");
    }
    if (value !== undefined) {
      settings.set(key, value);
    }
  }
  return {
    config: configOf(settings, { kind, sizeOf: mebibytes }),
    ignoredKeys: [...file.keys()].filter((key) => !XL_KEYS.includes(key) && key !== "xenferry"),
  };
}

/** The JSON of an image's xl header for the guest of `config`, in the shape of libxl's. */
export function configToJson(config: GuestConfig): string {
  const { name, type, vcpus, kind, memoryBytes, maxMemoryBytes, workload } = config;
  const image = {
    c_info: { type, name },
    b_info: {
      max_vcpus: vcpus,
      avail_vcpus: Array.from({ length: vcpus }, (_, vcpu) => vcpu),
      max_memkb: maxMemoryBytes / KIB_BYTES,
      target_memkb: memoryBytes / KIB_BYTES,
      [`type.${type}`]: {},
    },
    xenferry: {
      kind,
      stores_per_second: workload.storesPerSecond,
      pattern: workload.pattern,
      working_set_pages: workload.workingSetPages,
      read_share: workload.readShare,
      fill: workload.fill,
      seed: `${workload.seed}`,
    },
  };
  return `${JSON.stringify(image, null, 4)}\n`;
}

/**
 * The guest that an image's xl header describes.
 *
 * @throws MigrationError GUEST_CONFIG with the key; also for the image of a real Xen guest, which
 *   has no "xenferry" section
 */
export function configFromJson(text: string): GuestConfig {
  const image = parseJson(text);
  if (typeof image === "object" && image !== null && !("xenferry" in image)) {
    const reason =
      "the image is of a real Xen guest and cannot be restored into an embedded one; " +
      "inspect, verify and convert work on it";
    throw invalid("xenferry", undefined, reason);
  }
  const { c_info, b_info, xenferry } = checked(IMAGE_JSON, image);
  const seed = parseU64(xenferry.seed);
  if (seed === undefined) {
    throw invalid("xenferry.seed", xenferry.seed, "not an unsigned 64-bit number");
  }
  return checkConfig({
    name: c_info.name,
    kind: xenferry.kind,
    memoryBytes: b_info.target_memkb * KIB_BYTES,
    maxMemoryBytes: b_info.max_memkb * KIB_BYTES,
    vcpus: b_info.max_vcpus,
    type: c_info.type,
    workload: {
      storesPerSecond: xenferry.stores_per_second,
      pattern: xenferry.pattern,
      workingSetPages: xenferry.working_set_pages,
      readShare: xenferry.read_share,
      fill: xenferry.fill,
      seed,
    },
  });
}

/**
 * Checks limits and relations of all fields.
 *
 * @throws MigrationError GUEST_CONFIG with the key
 */
export function checkConfig(config: unknown): GuestConfig {
  return checked(CONFIG, config);
}

/** Splits `key=value` texts; a key must be one of `keys`, once. */
function settingsOf(pairs: readonly string[], keys: readonly string[]): Settings {
  const settings = new Map<string, string>();
  for (const pair of pairs) {
    const [, written, value] = /^\s*([^=\s]*)\s*=\s*(.*?)\s*$/s.exec(pair) ?? [];
    if (written === undefined || value === undefined) {
      throw invalid(pair, undefined, "not of the form key=value");
    }
    const key = ALIASES.get(written) ?? written;
    if (!keys.includes(key)) {
      throw invalid(written, value, `no such key; there are ${keys.join(" ")}`);
    }
    if (settings.has(key)) {
      throw invalid(written, value, "stated twice");
    }
    settings.set(key, value);
  }
  return settings;
}

interface Reading {
  readonly kind: string;
  /** Octets of `memory` and `maxmem`, which xl.cfg counts in MiB. */
  readonly sizeOf: (text: string) => number | undefined;
}

function configOf(settings: Settings, { kind, sizeOf }: Reading): GuestConfig {
  const read = <Value>(
    key: string,
    parse: (text: string) => Value | undefined,
    otherwise: Value,
  ): Value => {
    const text = settings.get(key);
    const value = text === undefined ? otherwise : parse(text);
    if (value === undefined) {
      throw invalid(key, text, "the value is not understood");
    }
    return value;
  };
  const memoryBytes = read("memory", sizeOf, DEFAULTS.memoryBytes);
  const hot = (text: string) => parseHot(text, memoryBytes);
  return checkConfig({
    name: settings.get("name") ?? DEFAULTS.name,
    kind,
    memoryBytes,
    maxMemoryBytes: read("maxmem", sizeOf, memoryBytes),
    vcpus: read("vcpus", parseXlNumber, DEFAULTS.vcpus),
    type: settings.get("type") ?? DEFAULTS.type,
    workload: {
      storesPerSecond: read("dirty", parseRate, DEFAULTS.storesPerSecond),
      pattern: settings.get("pattern") ?? DEFAULTS.pattern,
      workingSetPages: read("hot", hot, pagesOfShare(DEFAULTS.workingSetShare, memoryBytes)),
      readShare: read("read", parseShare, DEFAULTS.readShare),
      fill: settings.get("fill") ?? DEFAULTS.fill,
      seed: read("seed", parseU64, DEFAULTS.seed),
    },
  });
}

/** Page stores a second: "5000p", or octets as in "200M" or "200MB/s". */
function parseRate(text: string): number | undefined {
  const amount = text.replace(/\/s$/, "");
  if (/^[0-9]+p$/.test(amount)) {
    return Number(amount.slice(0, -1));
  }
  const bytes = parseSizeBytes(amount);
  return bytes === undefined ? undefined : Math.round(bytes / PAGE_BYTES);
}

/** Pages of the working set: a share of memory ("10%") or a size. */
function parseHot(text: string, memoryBytes: number): number | undefined {
  if (text.endsWith("%")) {
    const share = parseShare(text);
    return share === undefined || share === 0 ? undefined : pagesOfShare(share, memoryBytes);
  }
  const bytes = parseSizeBytes(text);
  return bytes === undefined ? undefined : Math.ceil(bytes / PAGE_BYTES);
}

function pagesOfShare(share: number, memoryBytes: number): number {
  return Math.max(1, Math.floor((share * memoryBytes) / PAGE_BYTES));
}

function mebibytes(text: string): number | undefined {
  const count = parseXlNumber(text);
  return count === undefined ? undefined : count * MIB_BYTES;
}

/** The workload section: a list of strings, or one string with commas. */
function stringsOf(value: XlValue): readonly string[] {
  if (typeof value === "string") {
    return value.split(",");
  }
  return value.map((item) => {
    if (typeof item !== "string") {
      throw invalid(
        "xenferry",
        "[…]",
        "a list in the list; strings of the form key=value expected",
      );
    }
    return item;
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MigrationError("GUEST_CONFIG", { reason: "the header's text is not JSON" }, error);
  }
}

function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(issue!.path.join("."), undefined, issue!.message);
  }
  return result.data;
}

function invalid(key: string, value: string | undefined, reason: string): MigrationError {
  return new MigrationError("GUEST_CONFIG", { key, value, reason });
}
