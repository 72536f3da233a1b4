import { z } from "zod";
import { MigrationError } from "../base/errors.ts";

/** What a domain does, as `xl list` says. */
export type DomainState = "running" | "paused" | "suspended" | "shut down" | "crashed" | "dying";

/** A guest of Xen. */
export interface ListedDomain {
  readonly name: string;
  readonly domid: number;
  /** Absent where libxl keeps no configuration of it. */
  readonly type?: "pv" | "pvh" | "hvm";
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly state: DomainState;
}

const MIB_BYTES = 2 ** 20;

/** Name, number, MiB, vCPUs, flags, seconds. @source tools/xl/xl_info.c, list_domains */
const LINE = /^(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s+([r-][b-][p-][s-][-rscwS?][d-])\s+[\d.]+\s*$/;

const DOMAIN_TYPE = z.enum(["pv", "pvh", "hvm"]);

/** Of `xl list -l`, as far as it is needed. @source libxl_types.idl, domain_config */
const LONG_SCHEMA = z.array(
  z.object({
    domid: z.number().int().optional(),
    config: z.object({ c_info: z.object({ type: DOMAIN_TYPE.optional().catch(undefined) }) }),
  }),
);

/**
 * The domains that `xl list` and `xl list -l` print, without dom0, which is no guest.
 *
 * @throws MigrationError XL_OUTPUT
 */
export function parseDomains(short: string, long: string): readonly ListedDomain[] {
  const types = domainTypes(long);
  const [, ...lines] = short.trimEnd().split("\n");
  return lines.map((line) => domainOf(line, types)).filter(({ domid }) => domid !== 0);
}

function domainOf(line: string, types: DomainTypes): ListedDomain {
  const match = LINE.exec(line);
  if (match === null) {
    throw new MigrationError("XL_OUTPUT", { command: "xl list", line });
  }
  const [, name = "", domid, mebibytes, vcpus, flags = ""] = match;
  const type = types.get(Number(domid));
  return {
    name,
    domid: Number(domid),
    ...(type !== undefined && { type }),
    memoryBytes: Number(mebibytes) * MIB_BYTES,
    vcpus: Number(vcpus),
    state: stateOf(flags),
  };
}

type DomainTypes = ReadonlyMap<number | undefined, z.infer<typeof DOMAIN_TYPE> | undefined>;

function domainTypes(long: string): DomainTypes {
  try {
    const domains = LONG_SCHEMA.parse(JSON.parse(long));
    return new Map(domains.map(({ domid, config }) => [domid, config.c_info.type]));
  } catch (error) {
    throw new MigrationError("XL_OUTPUT", { command: "xl list -l" }, error);
  }
}

/** Flags are, in their places: running, blocked, paused, shut down, with what reason, dying. */
function stateOf(flags: string): DomainState {
  if (flags[5] === "d") {
    return "dying";
  }
  if (flags[3] === "s") {
    return flags[4] === "s" ? "suspended" : flags[4] === "c" ? "crashed" : "shut down";
  }
  return flags[2] === "p" ? "paused" : "running";
}
