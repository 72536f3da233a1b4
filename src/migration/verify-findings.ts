import { type ErrorCode, type ErrorFacts, sentenceOf } from "../base/errors.ts";
import type { Breach, Severity } from "../codec/order.ts";
import { adviceFor } from "./verify-advice.ts";

/** One thing that is wrong with a stream. */
export interface Finding {
  readonly code: ErrorCode;
  readonly severity: Severity;
  /** Where, in octets of the decompressed stream. */
  readonly offset: number | undefined;
  readonly layer: string | undefined;
  readonly record: string | undefined;
  /** What is wrong. */
  readonly sentence: string;
  /** What to do about it. */
  readonly advice: string;
  /** Everything else that is known. */
  readonly facts: ErrorFacts;
}

/** Codes that are told once a stream: where it has one such page it often has many. */
const TOLD_ONCE: ReadonlySet<ErrorCode> = new Set([
  "GUEST_PFN_RANGE",
  "PAGE_DATA_REPEATED",
  "PAGE_DATA_TABLE",
  "PAGE_DATA_VERIFY",
  "PAGE_DATA_VERIFY_NEW",
]);

/** Findings in the order in which they are told, up to a number. */
export class FindingList {
  readonly #findingsMax: number;
  readonly #findings: Finding[] = [];
  readonly #toldOnce = new Set<ErrorCode>();
  #count = 0;
  #isAccepted = true;
  #refusal: Breach | undefined;

  constructor(findingsMax: number) {
    this.#findingsMax = findingsMax;
  }

  /** The first of them. */
  get kept(): readonly Finding[] {
    return this.#findings;
  }

  /** All of them, also those not kept. */
  get count(): number {
    return this.#count;
  }

  /** The first that is worse than suspicious, if it was kept. */
  get worst(): Finding | undefined {
    return this.#isAccepted
      ? undefined
      : this.#findings.find(({ severity }) => severity !== "suspicious");
  }

  /** Whether none is worse than suspicious. */
  get isAccepted(): boolean {
    return this.#isAccepted;
  }

  /** Whether restore would have stopped at one. */
  get isRefused(): boolean {
    return this.#refusal !== undefined;
  }

  /** The first one that restore would have stopped at. */
  get refusal(): Breach | undefined {
    return this.#refusal;
  }

  tell(breach: Breach): void {
    const { code, severity, facts } = breach;
    if (TOLD_ONCE.has(code)) {
      if (this.#toldOnce.has(code)) {
        return;
      }
      this.#toldOnce.add(code);
    }
    this.#count++;
    this.#isAccepted &&= severity === "suspicious";
    this.#refusal ??= severity === "refused" ? breach : undefined;
    if (this.#findings.length < this.#findingsMax) {
      const { offset, layer, record, ...rest } = facts;
      this.#findings.push({
        code,
        severity,
        offset: typeof offset === "number" ? offset : undefined,
        layer: layer === undefined ? undefined : String(layer),
        record: record === undefined ? undefined : String(record),
        sentence: sentenceOf(code),
        advice: adviceFor({ code, severity, facts }),
        facts: rest,
      });
    }
  }
}
