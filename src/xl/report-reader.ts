import { REPORT_MARK, type ReportLine } from "../report/report-lines.ts";
import { parseReport } from "../report/report-schema.ts";

/** Takes what one end writes to its standard error. */
export interface ReportListener {
  report(line: ReportLine): void;
  /** A line of text, of `xl` or anything else there; without characters that steer terminals. */
  text(line: string): void;
}

/** Octets of a line that has not ended, beyond which it is text that nobody wants whole. */
const LINE_CHARS_MAX = 64 * 1024;

/**
 * Parts a stream of octets into lines of text and reports. A report may be written into the middle
 * of somebody else's line, but is in one piece itself.
 */
export class ReportReader {
  readonly #listener: ReportListener;
  readonly #decoder = new TextDecoder();
  /** What has no line feed yet. */
  #rest = "";
  /** Text that a report came into the middle of. */
  #before = "";

  constructor(listener: ReportListener) {
    this.#listener = listener;
  }

  take(octets: Uint8Array): void {
    const lines = `${this.#rest}${this.#decoder.decode(octets, { stream: true })}`.split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
    lines.forEach((line) => {
      this.#takeLine(line);
    });
  }

  /** Nothing more comes: what is left is a line. */
  end(): void {
    const rest = this.#rest;
    this.#rest = "";
    if (rest !== "" || this.#before !== "") {
      this.#takeLine(rest);
    }
  }

  #takeLine(line: string): void {
    const at = line.indexOf(REPORT_MARK);
    const report = at < 0 ? undefined : parseReport(line.slice(at + REPORT_MARK.length));
    if (report === undefined) {
      this.#takeText(`${this.#before}${line}`);
      this.#before = "";
    } else {
      this.#before = `${this.#before}${line.slice(0, at)}`.slice(0, LINE_CHARS_MAX);
      this.#listener.report(report);
    }
  }

  #takeText(line: string): void {
    const text = line.replaceAll(/\p{Cc}+/gu, " ").trim();
    if (text !== "") {
      this.#listener.text(text);
    }
  }
}
