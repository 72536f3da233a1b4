import { type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { type Breach, OrderRules, type Severity } from "../codec/order.ts";
import { IMAGE_OPT_RESERVED_MASK, LIBXC_RECORD } from "../format/libxc.ts";
import { LIBXL_OPT_RESERVED_MASK } from "../format/libxl.ts";
import { LIBXC_BODY_CLAUSES } from "./verify-bodies.ts";
import { checkConfig, checkGuestType } from "./verify-config.ts";
import type { IncomingGuest } from "./verify-guest.ts";
import { LIBXL_BODY_CLAUSES, libxlRecordClause } from "./verify-libxl.ts";
import { checkPageHead } from "./verify-page-heads.ts";
import { checkPvFrames } from "./verify-pv.ts";

/** Tells a breach at the event that is being looked at. */
export type Tell = (code: ErrorCode, severity: Severity, facts?: ErrorFacts) => void;

/** One demand of the specs: looks at an event and tells what it finds. */
export type Clause = (event: StreamEvent, guest: IncomingGuest, tell: Tell) => void;

/** A clause about the body of one type of record. A MigrationError from it is a refusal. */
export type BodyClause = (record: RecordEvent, guest: IncomingGuest, tell: Tell) => void;

/** All clauses in the order in which they are applied to each event. */
export function allClauses(): readonly Clause[] {
  return [
    orderClause(),
    faultClause,
    xlHeaderClause,
    libxlHeaderClause,
    imageHeaderClause,
    domainHeaderClause,
    paddingClause,
    pageDataClause,
    libxlRecordClause(),
    bodyClause,
    completeClause,
  ];
}

/** Applies `clauses` to an event; what a record of another kind of guest holds does not matter. */
export function applyClauses(
  clauses: readonly Clause[],
  event: StreamEvent,
  guest: IncomingGuest,
): readonly Breach[] {
  const breaches: Breach[] = [];
  const place = placeOf(event);
  const tell: Tell = (code, severity, facts) => {
    breaches.push({ code, severity, facts: { ...place, ...facts } });
  };
  for (const clause of clauses) {
    clause(event, guest, tell);
    if (breaches.some(({ code }) => code === "RECORD_GUEST_TYPE")) {
      break;
    }
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
  return (event, _guest, tell) => {
    for (const { code, severity, facts } of rules.check(event)) {
      tell(code, severity, facts);
    }
  };
}

/** What the reader itself would have refused to restore. */
const faultClause: Clause = (event, _guest, tell) => {
  if (event.kind === "fault") {
    tell(event.error.code, "refused", event.error.where);
  }
};

/** xl looks at no optional flag, and none was ever defined. @source tools/xl/xl.h */
const xlHeaderClause: Clause = (event, guest, tell) => {
  if (event.kind !== "xl-header") {
    return;
  }
  if (event.header.optionalFlags !== 0) {
    tell("STREAM_XL_OPTIONAL_FLAGS", "suspicious", { optionalFlags: event.header.optionalFlags });
  }
  checkConfig(event.header, guest, tell);
};

const libxlHeaderClause: Clause = (event, _guest, tell) => {
  if (event.kind === "libxl-header" && (event.header.options & LIBXL_OPT_RESERVED_MASK) !== 0) {
    tell("STREAM_RESERVED", "violated", { options: event.header.options });
  }
};

const imageHeaderClause: Clause = (event, _guest, tell) => {
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

const domainHeaderClause: Clause = (event, guest, tell) => {
  if (event.kind === "domain-header") {
    guest.guestType = event.header.guestType;
    checkGuestType(guest, tell);
    if (event.header.reserved !== 0) {
      tell("STREAM_RESERVED", "violated", { reserved: event.header.reserved });
    }
  }
};

const paddingClause: Clause = (event, _guest, tell) => {
  // A PAGE_DATA has padding only if its length is wrong, which is told.
  const isPageData = event.kind === "record" && event.name === "PAGE_DATA";
  if (event.kind === "record" && !isPageData && event.padding.some((octet) => octet !== 0)) {
    tell("RECORD_PADDING", "violated");
  }
};

const pageDataClause: Clause = (event, guest, tell) => {
  if (event.kind === "page-data") {
    checkPageHead(event, guest, tell);
  }
};

/** Looks up the clause of the record's type. */
const bodyClause: Clause = (event, guest, tell) => {
  if (event.kind !== "record" || event.isInferred) {
    return;
  }
  const clauses = event.layer === "libxl" ? LIBXL_BODY_CLAUSES : LIBXC_BODY_CLAUSES;
  try {
    clauses.get(event.type)?.(event, guest, tell);
  } catch (error) {
    if (!(error instanceof MigrationError)) {
      throw error;
    }
    tell(error.code, "refused", error.where);
  }
};

/** What restore looks at once a consistent state has come. */
const completeClause: Clause = (event, guest, tell) => {
  if (event.kind !== "record" || event.layer !== "libxc" || guest.isRefused) {
    return;
  }
  if (event.type === LIBXC_RECORD.END || event.type === LIBXC_RECORD.CHECKPOINT) {
    if (guest.isPv) {
      checkPvFrames(guest, tell);
    } else {
      checkParamFrames(guest, tell);
    }
  }
};

/** Restore takes special pages that are not there; a guest's drivers do not. */
function checkParamFrames({ paramFrames, frames }: IncomingGuest, tell: Tell): void {
  for (const [names, { pfn, offset }] of paramFrames) {
    if (pfn !== 0 && frames.populatedCount > 0 && !frames.get(pfn).isPopulated) {
      tell("RECORD_FRAME", "suspicious", { offset, record: "HVM_PARAMS", names, pfn });
    }
  }
}
