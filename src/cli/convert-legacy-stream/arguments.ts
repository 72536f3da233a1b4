import { MigrationError } from "../../base/errors.ts";

/** What the program is asked to do, by the names of Xen's convert-legacy-stream. */
export interface LegacyArguments {
  /** A descriptor's number, or a path. */
  readonly in: string;
  readonly out: string;
  readonly width: 32 | 64;
  readonly guest: "pv" | "hvm";
  readonly format: "libxc" | "libxl";
  readonly hasXlHeader: boolean;
  readonly skipsQemu: boolean;
  readonly isVerbose: boolean;
  readonly logsToSyslog: boolean;
}

/** Instead of arguments: what was asked about, or that something is missing. */
export type LegacyRequest = LegacyArguments | "help" | "version" | "incomplete";

interface Flag {
  readonly long: string;
  readonly short?: string;
  /** What the value may be; `undefined` for flags without one, empty for any. */
  readonly values?: readonly string[];
}

const FLAGS = [
  { long: "in", short: "i", values: [] },
  { long: "out", short: "o", values: [] },
  { long: "width", short: "w", values: ["32", "64"] },
  { long: "guest-type", short: "g", values: ["pv", "hvm"] },
  { long: "format", short: "f", values: ["libxc", "libxl"] },
  { long: "verbose", short: "v" },
  { long: "xl", short: "x" },
  { long: "skip-qemu" },
  { long: "syslog" },
  { long: "help", short: "h" },
  { long: "version" },
] as const satisfies readonly Flag[];

type FlagName = (typeof FLAGS)[number]["long"];

/**
 * Parses arguments as Python's optparse does for Xen's program: long options may be shortened
 * (libxl says `--guest`), values follow `=` or as the next argument, short options may be joined,
 * the last of several counts, and what is no option is ignored.
 *
 * @throws MigrationError USAGE_ARGUMENT
 * @source tools/python/scripts/convert-legacy-stream main; libxl_convert_callout.c
 */
export function parseLegacyArguments(args: readonly string[]): LegacyRequest {
  const given = collect(args);
  if (given.has("help")) {
    return "help";
  }
  if (given.has("version")) {
    return "version";
  }
  const input = given.get("in");
  const output = given.get("out");
  const width = given.get("width");
  const guest = given.get("guest-type");
  if ([input, output, width, guest].includes(undefined)) {
    return "incomplete";
  }
  return {
    in: input!,
    out: output!,
    width: width === "32" ? 32 : 64,
    guest: guest === "pv" ? "pv" : "hvm",
    format: given.get("format") === "libxl" ? "libxl" : "libxc",
    hasXlHeader: given.has("xl"),
    skipsQemu: given.has("skip-qemu"),
    isVerbose: given.has("verbose"),
    logsToSyslog: given.has("syslog"),
  };
}

/** Values by name; a flag without one has an empty one. */
function collect(args: readonly string[]): ReadonlyMap<FlagName, string> {
  const given = new Map<FlagName, string>();
  const rest = [...args];
  const take = (flag: Flag, attached: string | undefined) => {
    const value = flag.values === undefined ? "" : (attached ?? rest.shift());
    given.set(flag.long as FlagName, checkValue(flag, value));
  };
  for (let next = rest.shift(); next !== undefined && next !== "--"; next = rest.shift()) {
    if (next.startsWith("--")) {
      const [name = "", ...parts] = next.slice(2).split("=");
      take(longFlag(name, parts.length > 0), parts.length > 0 ? parts.join("=") : undefined);
    } else if (next.startsWith("-") && next.length > 1) {
      takeShort(next.slice(1), take);
    }
  }
  return given;
}

function takeShort(
  letters: string,
  take: (flag: Flag, attached: string | undefined) => void,
): void {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at]!;
    const flag: Flag | undefined = FLAGS.find((one) => "short" in one && one.short === letter);
    if (flag === undefined) {
      throw new MigrationError("USAGE_ARGUMENT", { option: `-${letter}`, problem: "unknown" });
    }
    const attached = letters.slice(at + 1);
    take(flag, attached === "" ? undefined : attached);
    if (flag.values !== undefined) {
      return;
    }
  }
}

/** The flag of that name, or the only one whose name starts so. */
function longFlag(name: string, hasValue: boolean): Flag {
  const exact: Flag | undefined = FLAGS.find(({ long }) => long === name);
  const starting: readonly Flag[] = FLAGS.filter(
    ({ long }) => name !== "" && long.startsWith(name),
  );
  const flag = exact ?? (starting.length === 1 ? starting[0] : undefined);
  if (flag === undefined) {
    const candidates = starting.map(({ long }) => `--${long}`);
    const problem = candidates.length === 0 ? "unknown" : "it could be several";
    throw new MigrationError("USAGE_ARGUMENT", { option: `--${name}`, problem, candidates });
  }
  if (hasValue && flag.values === undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { option: `--${name}`, problem: "takes no value" });
  }
  return flag;
}

function checkValue({ long, values }: Flag, value: string | undefined): string {
  if (value === undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { option: `--${long}`, problem: "needs a value" });
  }
  if (values !== undefined && values.length > 0 && !values.includes(value)) {
    throw new MigrationError("USAGE_ARGUMENT", { option: `--${long}`, value, allowed: values });
  }
  return value;
}

/** What `--help` prints. */
export const LEGACY_HELP = `Usage:
  convert-legacy-stream [options] -i INPUT -o OUTPUT -w WIDTH -g GUEST

Converts a stream of Xen before 4.6 to Migration v2.

Options:
  -i, --in FD_OR_FILE       legacy stream to read
  -o, --out FD_OR_FILE      where the result goes
  -w, --width 32|64         width of the toolstack that wrote the stream
  -g, --guest-type pv|hvm   type of guest in the stream
  -f, --format libxc|libxl  format of the result (default: libxc)
  -x, --xl                  xl's header stands before the stream
      --skip-qemu           with libxc: leave the device model's state out
  -v, --verbose             tell what is in the stream
      --syslog              tell it to the system's log
  -h, --help                print this
      --version             print the version of what converted streams say
`;
