import type { XlHeader } from "../codec/events.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { GUEST_TYPE } from "../format/libxc.ts";
import { XL_MANDATORY_JSON_MASK } from "../format/xl.ts";
import type { Tell } from "./verify-clauses.ts";
import type { ConfigFacts, IncomingGuest } from "./verify-guest.ts";

/** Octets looked at to tell what a configuration is. */
const JSON_LOOK_BYTES = 64;

/** Types of guests that xl knows. */
const GUEST_TYPES: readonly unknown[] = ["pv", "pvh", "hvm"];

/**
 * Checks the configuration in xl's header, and takes from it what restore goes by.
 *
 * Without a configuration, or with JSON that is not said to be that, `xl restore` takes the file
 * only together with a configuration file.
 *
 * @source tools/xl/xl_vmcontrol.c create_domain
 */
export function checkConfig(header: XlHeader, guest: IncomingGuest, tell: Tell): void {
  const { config, mandatoryFlags, optionalData } = header;
  if (config === undefined || config.length === 0) {
    const isMissing = config !== undefined || optionalData.length === 0;
    if (isMissing) {
      tell("STREAM_XL_CONFIG", "refused", { problem: "missing" });
    }
    return;
  }
  if ((mandatoryFlags & XL_MANDATORY_JSON_MASK) === 0) {
    // Text in the syntax of xl.cfg, as up to Xen 4.4; none begins like JSON.
    if (startsLikeJson(config)) {
      tell("STREAM_XL_CONFIG", "refused", { problem: "not said to be JSON" });
    }
    return;
  }
  if (config.at(-1) !== 0) {
    tell("STREAM_XL_CONFIG", "suspicious", { problem: "no NUL at the end" });
  }
  try {
    guest.config = factsOf(JSON.parse(xlConfigText(config)));
  } catch {
    tell("STREAM_XL_CONFIG", "refused", { problem: "not JSON" });
  }
}

/** Checks that the domain header names the type of guest that the configuration does. */
export function checkGuestType({ config, guestType }: IncomingGuest, tell: Tell): void {
  const type = config?.type;
  const isKnown = guestType === GUEST_TYPE.X86_PV || guestType === GUEST_TYPE.X86_HVM;
  if (isKnown && GUEST_TYPES.includes(type)) {
    const guestTypeConfigured = type === "pv" ? GUEST_TYPE.X86_PV : GUEST_TYPE.X86_HVM;
    if (guestType !== guestTypeConfigured) {
      tell("STREAM_GUEST_MISMATCH", "refused", { guestType, configType: type });
    }
  }
}

function factsOf(config: unknown): ConfigFacts {
  const created = property(config, "c_info");
  const built = property(config, "b_info");
  const type = property(created, "type");
  return {
    type: typeof type === "string" ? type : undefined,
    vcpusMax: numberOf(property(built, "max_vcpus")),
    memoryKib: numberOf(property(built, "target_memkb")) ?? numberOf(property(built, "max_memkb")),
    hasDeviceModel: type === "hvm" && property(built, "device_model_version") !== undefined,
  };
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function startsLikeJson(config: Uint8Array): boolean {
  return new TextDecoder().decode(config.subarray(0, JSON_LOOK_BYTES)).trimStart().startsWith("{");
}
