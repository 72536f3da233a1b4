import { describeCode, type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { PageDataEvent, RecordEvent, StreamEvent } from "../codec/events.ts";
import { OrderRules, type Severity } from "../codec/order.ts";
import { pullEvents } from "../codec/pull.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import {
  DOMAIN_PAGE_SHIFT,
  GUEST_TYPE,
  HVM_PARAMS_HEAD_BYTES,
  IMAGE_OPT_RESERVED_MASK,
  LIBXC_RECORD,
  VCPU_HEAD_BYTES,
} from "../format/libxc.ts";
import { LIBXL_OPT_RESERVED_MASK } from "../format/libxl.ts";
import { XL_HEADER_BYTES, XL_MANDATORY_JSON_MASK, xlSentence } from "../format/xl.ts";
import { decodeBody } from "./decode-body.ts";

/** One thing wrong with a stream. */
export interface Finding {
  readonly code: ErrorCode;
  readonly severity: Severity;
  readonly sentence: string;
  /** Where, as an error says it: `offset` in octets, layer, record. */
  readonly where: ErrorFacts;
}

/** What checking a stream gave. */
export interface VerifyReport {
  /** Whether nothing is worse than suspicious. */
  readonly isAccepted: boolean;
  readonly findings: readonly Finding[];
  /** Findings beyond {@link VerifyOptions.findingsMax}. */
  readonly findingsOmitted: number;
  /** Octets up to the outermost END, or to where reading stopped. */
  readonly bytes: number;
  readonly trailingBytes: number;
  /** Whether what follows END is xl's permission to go, as in a captured migration. */
  readonly isHandoverTrailing: boolean;
  readonly records: number;
  readonly pageEntries: number;
}

export interface VerifyOptions {
  /** How many findings are kept; 100 unless said. */
  readonly findingsMax?: number;
  /** Octets read so far, after each event. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

const FINDINGS_MAX = 100;

/**
 * Checks a stream against the specifications, in memory that does not grow with it.
 *
 * What is wrong becomes findings, not errors; a fault after which nothing can be read is the last.
 *
 * @throws MigrationError TRANSPORT_*, MIGRATION_INTERRUPTED
 */
export async function verifyStream(
  source: ByteSource,
  codec: PageDataHeadCodec,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const verifier = new Verifier(options.findingsMax ?? FINDINGS_MAX);
  try {
    const events = pullEvents(source, codec, { purpose: "inspect", afterEnd: "read" });
    for await (const event of events) {
      if (options.signal?.aborted === true) {
        throw new MigrationError("MIGRATION_INTERRUPTED");
      }
      verifier.take(event);
      options.onProgress?.(source.offset);
    }
  } catch (error) {
    verifier.stop(error, source.offset);
  }
  return verifier.report();
}

class Verifier {
  readonly #findingsMax: number;
  readonly #findings: Finding[] = [];
  readonly #order = new OrderRules();
  readonly #trailing: Uint8Array[] = [];
  #findingsOmitted = 0;
  #hasSerious = false;
  #bytes = 0;
  #trailingBytes = 0;
  #records = 0;
  #pageEntries = 0;

  constructor(findingsMax: number) {
    this.#findingsMax = findingsMax;
  }

  take(event: StreamEvent): void {
    for (const { code, severity, facts } of this.#order.check(event)) {
      this.#tell(code, severity, facts);
    }
    switch (event.kind) {
      case "fault":
        this.#tell(event.error.code, "refused", event.error.where);
        return;
      case "record":
        this.#records += event.isInferred ? 0 : 1;
        this.#checkRecord(event);
        return;
      case "page-data":
        this.#records++;
        this.#pageEntries += event.pfns.length;
        this.#checkPageData(event);
        return;
      case "end":
        this.#bytes = event.offset;
        return;
      case "trailing":
        this.#keepTrailing(event.bytes);
        return;
      default:
        this.#checkHeader(event);
    }
  }

  /** The stream could not be read on. */
  stop(error: unknown, offset: number): void {
    const isFinding =
      error instanceof MigrationError && !/^(TRANSPORT|MIGRATION)_/.test(error.code);
    if (!isFinding) {
      throw error;
    }
    this.#bytes = offset;
    this.#tell(error.code, "refused", error.where);
  }

  report(): VerifyReport {
    const isHandoverTrailing = this.#isHandover();
    if (this.#trailingBytes > 0 && !isHandoverTrailing) {
      const facts = { offset: this.#bytes, trailingBytes: this.#trailingBytes };
      this.#tell("STREAM_TRAILING_DATA", "suspicious", facts);
    }
    return {
      isAccepted: !this.#hasSerious,
      findings: this.#findings,
      findingsOmitted: this.#findingsOmitted,
      bytes: this.#bytes,
      trailingBytes: this.#trailingBytes,
      isHandoverTrailing,
      records: this.#records,
      pageEntries: this.#pageEntries,
    };
  }

  #tell(code: ErrorCode, severity: Severity, where: ErrorFacts): void {
    this.#hasSerious ||= severity !== "suspicious";
    if (this.#findings.length === this.#findingsMax) {
      this.#findingsOmitted++;
    } else {
      this.#findings.push({ code, severity, sentence: describeCode(code), where });
    }
  }

  #checkHeader(event: StreamEvent): void {
    if (event.kind === "xl-header") {
      this.#checkXlHeader(event);
    } else if (
      event.kind === "libxl-header" &&
      (event.header.options & LIBXL_OPT_RESERVED_MASK) !== 0
    ) {
      this.#tell("STREAM_RESERVED", "violated", { offset: event.offset, layer: "libxl" });
    } else if (event.kind === "image-header") {
      const { options, reserved } = event.header;
      if ((options & IMAGE_OPT_RESERVED_MASK) !== 0 || reserved.some((field) => field !== 0)) {
        this.#tell("STREAM_RESERVED", "violated", { offset: event.offset, layer: "libxc" });
      }
    } else if (event.kind === "domain-header") {
      this.#checkDomainHeader(event);
    }
  }

  #checkXlHeader({ header }: Extract<StreamEvent, { kind: "xl-header" }>): void {
    const { optionalFlags, mandatoryFlags, config } = header;
    if (optionalFlags !== 0) {
      this.#tell("STREAM_XL_OPTIONAL_FLAGS", "suspicious", { offset: 40, optionalFlags });
    }
    const mustBeJson = (mandatoryFlags & XL_MANDATORY_JSON_MASK) !== 0;
    if (config === undefined || (mustBeJson && !isJson(xlConfigText(config)))) {
      this.#tell("STREAM_XL_CONFIG", "refused", { offset: XL_HEADER_BYTES, layer: "xl" });
    }
  }

  #checkDomainHeader({ offset, header }: Extract<StreamEvent, { kind: "domain-header" }>): void {
    const { guestType, pageShift, reserved } = header;
    const where = { offset, layer: "libxc" };
    if (guestType !== GUEST_TYPE.X86_PV && guestType !== GUEST_TYPE.X86_HVM) {
      this.#tell("STREAM_GUEST_TYPE", "refused", { ...where, guestType });
    }
    if (pageShift !== DOMAIN_PAGE_SHIFT) {
      this.#tell("STREAM_PAGE_SHIFT", "refused", { ...where, pageShift });
    }
    if (reserved !== 0) {
      this.#tell("STREAM_RESERVED", "violated", where);
    }
  }

  #checkRecord(event: RecordEvent): void {
    const { offset, layer, name } = event;
    const where = { offset, layer, record: name };
    if (event.padding.some((octet) => octet !== 0)) {
      this.#tell("RECORD_PADDING", "violated", where);
    }
    const mustBeEmpty = layer === "libxc" && EMPTY_RECORDS.has(event.type);
    if (mustBeEmpty && event.body.length > 0) {
      this.#tell("RECORD_LENGTH", "violated", { ...where, bodyBytes: event.body.length });
    }
    if (layer === "libxc") {
      this.#checkLibxcRecord(event, where);
    }
    try {
      decodeBody(event);
    } catch (error) {
      if (!(error instanceof MigrationError)) {
        throw error;
      }
      this.#tell(error.code, "refused", error.where);
    }
  }

  /** Records that should not be there, or not be empty. @source xg_sr_restore.c process_record */
  #checkLibxcRecord({ type, body }: RecordEvent, where: ErrorFacts): void {
    if (type === LIBXC_RECORD.TOOLSTACK) {
      this.#tell("RECORD_NOT_RESTORABLE", "refused", where);
    } else if (type === LIBXC_RECORD.CHECKPOINT_DIRTY_PFN_LIST) {
      this.#tell("RECORD_BACK_CHANNEL", "refused", where);
    }
    const contentBytesMin = FULL_RECORDS.get(type);
    if (contentBytesMin !== undefined && body.length === contentBytesMin) {
      this.#tell("RECORD_EMPTY", "suspicious", where);
    }
  }

  #checkPageData({ offset, reserved, reservedWordIndex }: PageDataEvent): void {
    const where = { offset, layer: "libxc", record: "PAGE_DATA" };
    if (reserved !== 0) {
      this.#tell("RECORD_RESERVED", "violated", where);
    }
    if (reservedWordIndex !== undefined) {
      this.#tell("PAGE_DATA_RESERVED", "violated", { ...where, index: reservedWordIndex });
    }
  }

  #keepTrailing(bytes: Uint8Array): void {
    this.#trailingBytes += bytes.length;
    if (this.#trailingBytes <= xlSentence("PERMISSION").length) {
      this.#trailing.push(bytes.slice());
    }
  }

  #isHandover(): boolean {
    const sentence = xlSentence("PERMISSION");
    return (
      this.#trailingBytes === sentence.length && Buffer.concat(this.#trailing).equals(sentence)
    );
  }
}

/** Records of libxc that have no content. */
const EMPTY_RECORDS: ReadonlySet<number> = new Set([
  LIBXC_RECORD.END,
  LIBXC_RECORD.VERIFY,
  LIBXC_RECORD.CHECKPOINT,
  LIBXC_RECORD.STATIC_DATA_END,
]);

/** Records that say something, and the octets they have when they say nothing. */
const FULL_RECORDS: ReadonlyMap<number, number> = new Map([
  [LIBXC_RECORD.HVM_CONTEXT, 0],
  [LIBXC_RECORD.HVM_PARAMS, HVM_PARAMS_HEAD_BYTES],
  [LIBXC_RECORD.X86_PV_VCPU_BASIC, VCPU_HEAD_BYTES],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, VCPU_HEAD_BYTES],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, VCPU_HEAD_BYTES],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, VCPU_HEAD_BYTES],
]);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Whatever it is, it is not JSON, which is all that was asked.
    return false;
  }
}
