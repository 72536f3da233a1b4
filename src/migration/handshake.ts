/**
 * xl's hand-shake: who owns the guest.
 *
 *     source                                   target
 *       |  <------------- banner -------------- |
 *       |  ------ xl header, libxl stream ----> |   guest suspended at the source when it ends
 *       |  <------------- ready --------------- |
 *       |  -------- permission to go ---------> |   from here on the source may not resume
 *       |  <----- report, one status octet ---- |
 *       |  <---- permission, if it failed ----- |   only now the source may resume again
 *
 * @source tools/xl/xl_migrate.c, tools/xl/xl.h
 */
import { MigrationError } from "../base/errors.ts";
import type { ByteSink, ByteSource } from "../base/io.ts";
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
  return {
    awaitBanner: () => findBanner(source),
    awaitReady: () => mapFailure("HANDSHAKE_REFUSED", () => expect(source, xlSentence("READY"))),
    permit: () => mapFailure("HANDSHAKE_UNDECIDED", () => sink.write(xlSentence("PERMISSION"))),
    awaitReport: () => mapFailure("HANDSHAKE_UNDECIDED", () => readReport(source)),
    awaitPermissionBack: () =>
      mapFailure("HANDSHAKE_UNDECIDED", () => expect(source, xlSentence("PERMISSION"))),
  };
}

/** The target's side of the hand-shake. */
export interface TargetHandshake {
  sendBanner(): Promise<void>;
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
