/**
 * The pipes that codecs and transports share.
 *
 * Both ends count octets, so that every error can say where it happened.
 */

/**
 * The kernel's end of a pipe, for code that moves octets past the pipe's own members.
 *
 * Only while none of those is under way; what was moved is told by `advance`.
 */
export interface DirectPipe {
  readonly fd: number;
  /** Whether octets have a place (a file): they go to, or come from, the pipe's `offset`. */
  readonly isPositioned: boolean;
  /** Counts octets that were moved into the pipe's `offset`. */
  advance(byteCount: number): void;
}

/** A pull-driven stream of bytes. */
export interface ByteSource {
  /** Octets handed out so far: the offset of the next one. */
  readonly offset: number;
  /**
   * Waits for exactly `byteCount` octets (0 is allowed).
   *
   * The view is valid until the next call. Memory grows with what has arrived, not with what
   * was asked for.
   *
   * @throws MigrationError STREAM_TRUNCATED, whose `offset` is where the input ended; TRANSPORT_*
   */
  exactly(byteCount: number): Promise<Uint8Array>;
  /**
   * Waits for at least one octet and at most `byteCountMax`; `undefined` at the end.
   *
   * The view is valid until the next call.
   */
  some(byteCountMax: number): Promise<Uint8Array | undefined>;
  /** Where octets can also be taken from a descriptor, of which nothing was read ahead. */
  readonly direct?: DirectPipe | undefined;
  /** Releases the descriptor; called once, whatever happened. */
  close(): Promise<void>;
}

/** A push-driven stream of bytes. */
export interface ByteSink {
  /** Octets accepted so far. */
  readonly offset: number;
  /**
   * Accepts `chunks` in order and resolves when the caller may reuse their memory.
   *
   * @throws MigrationError TRANSPORT_*
   */
  write(...chunks: readonly Uint8Array[]): Promise<void>;
  /** Where octets can also be given to a descriptor. */
  readonly direct?: DirectPipe | undefined;
  /** Ends the stream: what was written has left this process. Called at most once. */
  end(): Promise<void>;
  /** Gives up: releases the descriptor, keeps nothing half-written. Safe to call after `end`. */
  abort(): Promise<void>;
}
