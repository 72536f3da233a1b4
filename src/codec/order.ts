import type { ErrorCode, ErrorFacts } from "../base/errors.ts";
import {
  GUEST_TYPE,
  LIBXC_RECORD,
  type LibxcRecordName,
  libxcRecordName,
} from "../format/libxc.ts";
import type { RecordEvent, StreamEvent } from "./events.ts";
import { LibxlOrder } from "./libxl-order.ts";

/**
 * How bad a breach is: Xen's restore refuses it; a spec forbids it but Xen takes it; nothing
 * forbids it, but no sound writer does it.
 */
export type Severity = "refused" | "violated" | "suspicious";

/** A rule that a stream breaks. `facts` say where, as an error's do. */
export interface Breach {
  readonly code: ErrorCode;
  readonly severity: Severity;
  readonly facts: ErrorFacts;
}

/** What libxc's order demands of one type of record. */
interface Rule {
  /** The only type of guest that may have it. */
  readonly guest?: "pv" | "hvm";
  /** First version that has it. */
  readonly sinceVersion?: 3;
  /** Whether it belongs before STATIC_DATA_END, or after, and how bad it is if it does not. */
  readonly place: "static" | "dynamic" | "signal";
  readonly misplaced?: Severity;
  /** How bad it is to come again: in the whole stream, or before the next checkpoint. */
  readonly repeatedInStream?: Severity;
  readonly repeatedInCheckpoint?: Severity;
  /** Records that must have come before. */
  readonly after?: readonly { readonly name: LibxcRecordName; readonly severity: Severity }[];
  /** Records that must not have come before, since the last checkpoint. */
  readonly notAfter?: readonly { readonly name: LibxcRecordName; readonly severity: Severity }[];
  /** How bad it is if a consistent state (of its type of guest) lacks it. */
  readonly missing?: Severity;
}

const PV_INFO_FIRST = { name: "X86_PV_INFO", severity: "refused" } as const;
const PAGES_FIRST = { name: "PAGE_DATA", severity: "violated" } as const;
const VCPU: Rule = { guest: "pv", place: "dynamic", misplaced: "violated", after: [PAGES_FIRST] };
const POLICY: Rule = {
  place: "static",
  misplaced: "violated",
  sinceVersion: 3,
  repeatedInStream: "suspicious",
};

/**
 * Which record may follow which.
 *
 * HVM_CONTEXT before HVM_PARAMS is forbidden by the spec and yet what Xen itself writes; its
 * restore keeps the context until the end, so nothing is lost.
 *
 * @source libxc-migration-stream.pandoc, "Layout"; xg_sr_restore.c; xg_sr_restore_x86_{pv,hvm}.c
 */
const RULES: Readonly<Record<LibxcRecordName, Rule>> = {
  END: { place: "signal" },
  PAGE_DATA: {
    place: "dynamic",
    misplaced: "refused",
    missing: "suspicious",
    notAfter: [{ name: "X86_PV_VCPU_BASIC", severity: "violated" }],
  },
  X86_PV_INFO: {
    guest: "pv",
    place: "static",
    misplaced: "violated",
    repeatedInStream: "refused",
    missing: "refused",
  },
  X86_PV_P2M_FRAMES: {
    guest: "pv",
    place: "dynamic",
    misplaced: "refused",
    after: [PV_INFO_FIRST],
    missing: "refused",
  },
  X86_PV_VCPU_BASIC: { ...VCPU, missing: "refused" },
  X86_PV_VCPU_EXTENDED: VCPU,
  X86_PV_VCPU_XSAVE: VCPU,
  SHARED_INFO: {
    guest: "pv",
    place: "dynamic",
    misplaced: "violated",
    after: [PV_INFO_FIRST],
    repeatedInCheckpoint: "suspicious",
    missing: "suspicious",
  },
  X86_TSC_INFO: {
    place: "dynamic",
    misplaced: "violated",
    repeatedInCheckpoint: "suspicious",
    missing: "suspicious",
  },
  HVM_CONTEXT: {
    guest: "hvm",
    place: "dynamic",
    misplaced: "violated",
    after: [{ name: "HVM_PARAMS", severity: "suspicious" }],
    repeatedInCheckpoint: "suspicious",
    missing: "refused",
  },
  HVM_PARAMS: {
    guest: "hvm",
    place: "dynamic",
    misplaced: "violated",
    repeatedInCheckpoint: "suspicious",
    missing: "suspicious",
  },
  TOOLSTACK: { place: "signal" },
  X86_PV_VCPU_MSRS: VCPU,
  VERIFY: {
    place: "dynamic",
    misplaced: "violated",
    after: [{ name: "PAGE_DATA", severity: "violated" }],
    repeatedInStream: "suspicious",
  },
  CHECKPOINT: {
    place: "dynamic",
    misplaced: "violated",
    notAfter: [{ name: "VERIFY", severity: "suspicious" }],
  },
  CHECKPOINT_DIRTY_PFN_LIST: { place: "signal" },
  STATIC_DATA_END: { place: "signal", sinceVersion: 3, repeatedInStream: "refused" },
  X86_CPUID_POLICY: POLICY,
  X86_MSR_POLICY: POLICY,
};

/**
 * Watches the events of one stream, all layers of it, and says which rules of order they break.
 *
 * The same breach of one type of record is told once a stream.
 */
export class OrderRules {
  #libxc: LibxcOrder | undefined;
  readonly #libxl = new LibxlOrder();
  readonly #told = new Set<string>();

  /** Takes the next event and returns what it breaks: mostly nothing. */
  check(event: StreamEvent): readonly Breach[] {
    return this.#breaches(event).filter(({ code, facts }) => {
      const { layer, record, other } = facts;
      const key = `${code} ${layer} ${record} ${other}`;
      const isNew = !this.#told.has(key);
      this.#told.add(key);
      return isNew;
    });
  }

  #breaches(event: StreamEvent): readonly Breach[] {
    switch (event.kind) {
      case "image-header":
        this.#libxc = new LibxcOrder(event.header.version);
        return [];
      case "domain-header":
        this.#libxl.guestType = event.header.guestType;
        this.#libxc?.setGuestType(event.header.guestType);
        return [];
      case "page-data":
      case "pages-taken":
        return this.#libxc?.check(LIBXC_RECORD.PAGE_DATA, event.offset) ?? [];
      case "record":
        return event.layer === "libxl"
          ? this.#libxl.check(event)
          : (this.#libxc?.checkRecord(event) ?? []);
      case "layer":
        this.#libxl.enter(event.layer, this.#libxc?.isAtCheckpoint ?? false);
        return [];
      default:
        return [];
    }
  }
}

/** The order of one libxc stream. */
class LibxcOrder {
  readonly #version: number;
  #guest: "pv" | "hvm" | undefined;
  #hasStaticDataEnd = false;
  #isAtCheckpoint = false;
  readonly #inStream = new Set<LibxcRecordName>();
  readonly #inCheckpoint = new Set<LibxcRecordName>();
  /** `memory` after VERIFY, `over` after the first other record behind that. */
  #verifying: "no" | "memory" | "over" = "no";

  constructor(version: number) {
    this.#version = version;
  }

  setGuestType(guestType: number): void {
    const isPv = guestType === GUEST_TYPE.X86_PV;
    this.#guest = isPv ? "pv" : guestType === GUEST_TYPE.X86_HVM ? "hvm" : undefined;
  }

  /** Whether CHECKPOINT was the last record. */
  get isAtCheckpoint(): boolean {
    return this.#isAtCheckpoint;
  }

  checkRecord(event: RecordEvent): readonly Breach[] {
    if (event.isInferred) {
      this.#hasStaticDataEnd = true;
      return [];
    }
    return this.check(event.type, event.offset);
  }

  check(type: number, offset: number): readonly Breach[] {
    const name = libxcRecordName(type);
    this.#isAtCheckpoint = name === "CHECKPOINT";
    if (name === undefined) {
      return [];
    }
    const breaches: Breach[] = [];
    const tell = (code: ErrorCode, severity: Severity | undefined, other?: LibxcRecordName) => {
      if (severity !== undefined) {
        breaches.push({ code, severity, facts: { offset, layer: "libxc", record: name, other } });
      }
    };
    this.#checkRule(RULES[name], name, tell);
    this.#checkVerifying(name, tell);
    if (name === "END" || name === "CHECKPOINT") {
      this.#checkComplete(tell);
    }
    this.#remember(name);
    return breaches;
  }

  #checkRule(rule: Rule, name: LibxcRecordName, tell: Tell): void {
    if (rule.guest !== undefined && this.#guest !== undefined && rule.guest !== this.#guest) {
      tell("RECORD_GUEST_TYPE", "refused");
      return;
    }
    if (rule.sinceVersion !== undefined && this.#version < rule.sinceVersion) {
      tell("ORDER_STATIC_DATA_VERSION", "violated");
    }
    if (rule.place === "static" && this.#hasStaticDataEnd) {
      tell("ORDER_STATIC_DATA_LATE", rule.misplaced);
    }
    if (rule.place === "dynamic" && !this.#hasStaticDataEnd && this.#version >= 3) {
      tell("ORDER_STATIC_DATA_MISSING", rule.misplaced);
    }
    tell("ORDER_REPEATED", this.#inStream.has(name) ? rule.repeatedInStream : undefined);
    tell("ORDER_REPEATED", this.#inCheckpoint.has(name) ? rule.repeatedInCheckpoint : undefined);
    for (const other of this.#dependencies(rule, name)) {
      tell(
        "ORDER_DEPENDENCY",
        this.#inStream.has(other.name) ? undefined : other.severity,
        other.name,
      );
    }
    for (const other of rule.notAfter ?? []) {
      const hasCome = this.#inCheckpoint.has(other.name);
      tell("ORDER_DEPENDENCY", hasCome ? other.severity : undefined, other.name);
    }
  }

  /** A PV guest's frames are known only from its P2M_FRAMES on; Xen refuses those before. */
  #dependencies(rule: Rule, name: LibxcRecordName): NonNullable<Rule["after"]> {
    return name === "PAGE_DATA" && this.#guest === "pv"
      ? [{ name: "X86_PV_P2M_FRAMES", severity: "refused" }]
      : (rule.after ?? []);
  }

  /** Xen never leaves verify mode: memory that comes later is compared, not stored. */
  #checkVerifying(name: LibxcRecordName, tell: Tell): void {
    if (name === "VERIFY") {
      this.#verifying = "memory";
    } else if (name === "PAGE_DATA") {
      tell("ORDER_VERIFY", this.#verifying === "over" ? "suspicious" : undefined);
    } else if (this.#verifying === "memory") {
      this.#verifying = "over";
    }
  }

  #checkComplete(tell: Tell): void {
    if (!this.#hasStaticDataEnd && this.#version >= 3) {
      tell("ORDER_MISSING", "violated", "STATIC_DATA_END");
    }
    for (const [name, rule] of Object.entries(RULES)) {
      const concerns = rule.guest === undefined || rule.guest === this.#guest;
      if (concerns && !this.#inStream.has(name as LibxcRecordName)) {
        tell("ORDER_MISSING", rule.missing, name as LibxcRecordName);
      }
    }
  }

  #remember(name: LibxcRecordName): void {
    this.#inStream.add(name);
    if (name === "CHECKPOINT") {
      this.#inCheckpoint.clear();
    } else {
      this.#inCheckpoint.add(name);
    }
    if (name === "STATIC_DATA_END") {
      this.#hasStaticDataEnd = true;
    }
  }
}

type Tell = (code: ErrorCode, severity: Severity | undefined, other?: LibxcRecordName) => void;
