import { type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { type Breach, OrderRules, type Severity } from "../codec/order.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { IMAGE_OPT_RESERVED_MASK } from "../format/libxc.ts";
import { LIBXL_OPT_RESERVED_MASK } from "../format/libxl.ts";
import { XL_MANDATORY_JSON_MASK } from "../format/xl.ts";
import { LIBXC_BODY_CLAUSES, LIBXL_BODY_CLAUSES } from "./verify-bodies.ts";

/** What clauses know of the stream so far. */
export class VerifyContext {
  /** `type` of the configuration in xl's header: "pv", "pvh" or "hvm". */
  configType: string | undefined;
  /** Octets of a guest word, as X86_PV_INFO says. */
  guestWidth: 4 | 8 | undefined;
  /** vCPU records that have come, by type and id. */
  readonly vcpuRecords = new Set<string>();
}

/** Tells a breach at the event that is being looked at. */
export type Tell = (code: ErrorCode, severity: Severity, facts?: ErrorFacts) => void;

/** One demand of the specs: looks at an event and tells what it finds. */
export type Clause = (event: StreamEvent, context: VerifyContext, tell: Tell) => void;

/** A clause about the body of one type of record. A MigrationError from it is a refusal. */
export type BodyClause = (record: RecordEvent, context: VerifyContext, tell: Tell) => void;

/** All clauses in the order in which they are applied to each event. */
export function allClauses(): readonly Clause[] {
  return [
    orderClause(),
    faultClause,
    xlHeaderClause,
    xlConfigClause,
    libxlHeaderClause,
    imageHeaderClause,
    domainHeaderClause,
    paddingClause,
    pageDataClause,
    bodyClause,
  ];
}

/** Applies `clauses` to an event. */
export function applyClauses(
  clauses: readonly Clause[],
  event: StreamEvent,
  context: VerifyContext,
): readonly Breach[] {
  const breaches: Breach[] = [];
  const place = placeOf(event);
  const tell: Tell = (code, severity, facts) => {
    breaches.push({ code, severity, facts: { ...place, ...facts } });
  };
  for (const clause of clauses) {
    clause(event, context, tell);
  }
  return breaches;
}

function placeOf(event: StreamEvent): ErrorFacts {
  switch (event.kind) {
    case "fault":
      return {};
    case "record":
      return { offset: event.offset, layer: event.layer, record: event.name ?? event.type };
    case "page-data":
      return { offset: event.offset, layer: event.layer, record: "PAGE_DATA" };
    case "xl-header":
      return { offset: event.offset, layer: "xl" };
    case "libxl-header":
      return { offset: event.offset, layer: "libxl" };
    case "image-header":
    case "domain-header":
      return { offset: event.offset, layer: "libxc" };
    default:
      return { offset: event.offset };
  }
}

function orderClause(): Clause {
  const rules = new OrderRules();
  return (event, _context, tell) => {
    for (const { code, severity, facts } of rules.check(event)) {
      tell(code, severity, facts);
    }
  };
}

/** What the reader itself would have refused to restore. */
const faultClause: Clause = (event, _context, tell) => {
  if (event.kind === "fault") {
    tell(event.error.code, "refused", event.error.where);
  }
};

/** xl looks at no optional flag, and none was ever defined. @source tools/xl/xl.h */
const xlHeaderClause: Clause = (event, _context, tell) => {
  if (event.kind === "xl-header" && event.header.optionalFlags !== 0) {
    tell("STREAM_XL_OPTIONAL_FLAGS", "suspicious", { optionalFlags: event.header.optionalFlags });
  }
};

/** @source tools/xl/xl_vmcontrol.c create_domain */
const xlConfigClause: Clause = (event, context, tell) => {
  if (event.kind !== "xl-header") {
    return;
  }
  const { config, mandatoryFlags } = event.header;
  if (config === undefined || config.length === 0) {
    tell("STREAM_XL_CONFIG", "suspicious", { problem: "missing" });
  } else if ((mandatoryFlags & XL_MANDATORY_JSON_MASK) !== 0) {
    try {
      context.configType = configTypeOf(JSON.parse(xlConfigText(config)));
    } catch {
      tell("STREAM_XL_CONFIG", "refused", { problem: "not JSON" });
    }
  }
};

function configTypeOf(config: unknown): string | undefined {
  const info = property(config, "c_info");
  const type = property(info, "type");
  return typeof type === "string" ? type : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

const libxlHeaderClause: Clause = (event, _context, tell) => {
  if (event.kind === "libxl-header" && (event.header.options & LIBXL_OPT_RESERVED_MASK) !== 0) {
    tell("STREAM_RESERVED", "violated", { options: event.header.options });
  }
};

const imageHeaderClause: Clause = (event, _context, tell) => {
  if (event.kind !== "image-header") {
    return;
  }
  const { options, reserved } = event.header;
  if ((options & IMAGE_OPT_RESERVED_MASK) !== 0) {
    tell("STREAM_RESERVED", "violated", { options });
  }
  if (reserved[0] !== 0 || reserved[1] !== 0) {
    tell("STREAM_RESERVED", "violated", { reserved });
  }
};

const domainHeaderClause: Clause = (event, _context, tell) => {
  if (event.kind === "domain-header" && event.header.reserved !== 0) {
    tell("STREAM_RESERVED", "violated", { reserved: event.header.reserved });
  }
};

const paddingClause: Clause = (event, _context, tell) => {
  if (event.kind === "record" && event.padding.some((octet) => octet !== 0)) {
    tell("RECORD_PADDING", "violated");
  }
};

const pageDataClause: Clause = (event, _context, tell) => {
  if (event.kind !== "page-data") {
    return;
  }
  if (event.reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved: event.reserved });
  }
  if (event.reservedWordIndex !== undefined) {
    tell("PAGE_DATA_RESERVED", "violated", { index: event.reservedWordIndex });
  }
};

/** Looks up the clause of the record's type. */
const bodyClause: Clause = (event, context, tell) => {
  if (event.kind !== "record" || event.isInferred) {
    return;
  }
  const clauses = event.layer === "libxl" ? LIBXL_BODY_CLAUSES : LIBXC_BODY_CLAUSES;
  try {
    clauses.get(event.type)?.(event, context, tell);
  } catch (error) {
    if (!(error instanceof MigrationError)) {
      throw error;
    }
    tell(error.code, "refused", error.where);
  }
};
