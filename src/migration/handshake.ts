/**
 * xl's hand-shake: who owns the guest.
 *
 *     source                                   target
 *       |  <------------- banner -------------- |
 *       |  ------ xl header, libxl stream ----> |   guest suspended at the source when it ends
 *       |  <- answer to an offer, if we offered one (src/format/own.ts)
 *       |  <------------- ready --------------- |
 *       |  -------- permission to go ---------> |   from here on the source may not resume
 *       |  <----- report, one status octet ---- |
 *       |  <---- permission, if it failed ----- |   only now the source may resume again
 *
 * @source tools/xl/xl_migrate.c, tools/xl/xl.h
 */
import { MigrationError } from "../base/errors.ts";
import type { ByteSink, ByteSource } from "../base/io.ts";
import { ANSWER_BYTES, type Answer, decodeAnswer, encodeAnswer } from "../format/own.ts";
import { xlSentence } from "../format/xl.ts";

/** Octets looked through for the banner; a login shell may say things first. */
const BANNER_SEARCH_BYTES_MAX = 64 << 10;

/** The receiver's verdict on its copy of the guest. */
export type ReceiverReport = "running" | "failed";

const REPORT_RUNNING = 0;
const REPORT_FAILED = 1;

/** The source's side of the hand-shake. */
export interface SourceHandshake {
  /** @throws MigrationError HANDSHAKE_BANNER */
  awaitBanner(): Promise<void>;
  /**
   * Waits for the answer to an offer. Called at most once, and before `awaitReady`.
   *
   * @returns `undefined` where the receiver was ready without having answered: it knows no offers.
   * @throws MigrationError HANDSHAKE_REFUSED
   */
  awaitAnswer(): Promise<Answer | undefined>;
  /** @throws MigrationError HANDSHAKE_REFUSED: the receiver went away or said something else */
  awaitReady(): Promise<void>;
  /** Gives the guest away. @throws MigrationError HANDSHAKE_UNDECIDED */
  permit(): Promise<void>;
  /** @throws MigrationError HANDSHAKE_UNDECIDED */
  awaitReport(): Promise<ReceiverReport>;
  /**
   * After a failed report: waits to get the guest back. @throws MigrationError HANDSHAKE_UNDECIDED
   */
  awaitPermissionBack(): Promise<void>;
}

export function sourceHandshake(source: ByteSource, sink: ByteSink): SourceHandshake {
  let answering: Promise<Answer | undefined> | undefined;
  const awaitReady = async () => {
    if (answering === undefined || (await answering) !== undefined) {
      await expect(source, xlSentence("READY"));
    }
  };
  return {
    awaitBanner: () => findBanner(source),
    awaitAnswer: () => {
      answering = mapFailure("HANDSHAKE_REFUSED", () => readAnswer(source));
      return answering;
    },
    awaitReady: () => mapFailure("HANDSHAKE_REFUSED", awaitReady),
    permit: () => mapFailure("HANDSHAKE_UNDECIDED", () => sink.write(xlSentence("PERMISSION"))),
    awaitReport: () => mapFailure("HANDSHAKE_UNDECIDED", () => readReport(source)),
    awaitPermissionBack: () =>
      mapFailure("HANDSHAKE_UNDECIDED", () => expect(source, xlSentence("PERMISSION"))),
  };
}

/** The target's side of the hand-shake. */
export interface TargetHandshake {
  sendBanner(): Promise<void>;
  /** Answers an offer: between banner and ready. */
  sendAnswer(answer: Answer): Promise<void>;
  sendReady(): Promise<void>;
  /**
   * @throws MigrationError HANDSHAKE_SENTENCE, STREAM_TRUNCATED, TRANSPORT_LOST: the guest is not
   * ours
   */
  awaitPermission(): Promise<void>;
  sendReport(report: ReceiverReport): Promise<void>;
  /** After a failed report: gives the guest back. */
  sendPermissionBack(): Promise<void>;
}

export function targetHandshake(source: ByteSource, sink: ByteSink): TargetHandshake {
  return {
    sendBanner: () => sink.write(xlSentence("BANNER")),
    sendAnswer: (answer) => sink.write(encodeAnswer(answer)),
    sendReady: () => sink.write(xlSentence("READY")),
    awaitPermission: () => expect(source, xlSentence("PERMISSION")),
    sendReport: (report) => {
      const status = report === "running" ? REPORT_RUNNING : REPORT_FAILED;
      return sink.write(xlSentence("REPORT"), Uint8Array.of(status));
    },
    sendPermissionBack: () => sink.write(xlSentence("PERMISSION")),
  };
}

async function findBanner(source: ByteSource): Promise<void> {
  const banner = Buffer.from(xlSentence("BANNER"));
  let seen = Buffer.alloc(0);
  try {
    while (!seen.subarray(-banner.length).equals(banner)) {
      if (seen.length >= BANNER_SEARCH_BYTES_MAX) {
        throw new MigrationError("HANDSHAKE_SENTENCE", { searchedBytes: seen.length });
      }
      const missing = seen.length < banner.length ? banner.length - seen.length : 1;
      seen = Buffer.concat([seen, await source.exactly(missing)]);
    }
  } catch (error) {
    const said = printable(seen.subarray(0, 200));
    throw new MigrationError("HANDSHAKE_BANNER", { said }, error);
  }
}

/** Reads an answer, or the sentence that says that there will be none. */
async function readAnswer(source: ByteSource): Promise<Answer | undefined> {
  const { offset } = source;
  const ready = Buffer.from(xlSentence("READY"));
  const said = Buffer.from(await source.exactly(ANSWER_BYTES));
  const answer = decodeAnswer(said);
  if (answer !== undefined) {
    return answer;
  }
  const rest = await source.exactly(ready.length - ANSWER_BYTES);
  if (!ready.equals(Buffer.concat([said, rest]))) {
    const facts = { offset, expected: printable(ready), said: printable(said) };
    throw new MigrationError("HANDSHAKE_SENTENCE", facts);
  }
  return undefined;
}

async function readReport(source: ByteSource): Promise<ReceiverReport> {
  await expect(source, xlSentence("REPORT"));
  const status = (await source.exactly(1))[0];
  return status === REPORT_RUNNING ? "running" : "failed";
}

async function expect(source: ByteSource, sentence: Uint8Array): Promise<void> {
  const offset = source.offset;
  const said = await source.exactly(sentence.length);
  if (!Buffer.from(said).equals(sentence)) {
    const facts = { offset, expected: printable(sentence), said: printable(said) };
    throw new MigrationError("HANDSHAKE_SENTENCE", facts);
  }
}

async function mapFailure<Value>(
  code: "HANDSHAKE_REFUSED" | "HANDSHAKE_UNDECIDED",
  step: () => Promise<Value>,
): Promise<Value> {
  try {
    return await step();
  } catch (error) {
    throw new MigrationError(code, {}, error);
  }
}

function printable(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes).toString("latin1"));
}
