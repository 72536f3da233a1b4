/** What a code means: who is at fault (`exit`), and the sentence a person reads. */
interface CodeMeaning {
  readonly exit: 1 | 2;
  readonly sentence: string;
}

/**
 * The one table of codes. A sentence says what happened and what to do; facts go into `where`.
 *
 * Families: STREAM_ headers and truncation, RECORD_ framing, PAGE_DATA_, DIGEST_, LEGACY_, ORDER_,
 * GUEST_, TRANSPORT_, HANDSHAKE_, ENGINE_, MIGRATION_, TRACE_, POLICY_, HELPER_, REWRITE_, FIELD_,
 * XL_, BENCH_, REPORT_, USAGE_.
 */
const CODES = {
  STREAM_TRUNCATED: stream("the stream ends in the middle of something; fetch or save it again"),
  STREAM_NOT_AN_IMAGE: stream("this is no saved domain: neither xl, libxl nor libxc headers"),
  STREAM_BIG_ENDIAN: stream("the image is big-endian: it can be inspected but not restored here"),
  STREAM_TRAILING_DATA: stream("bytes follow the end of the stream"),
  STREAM_LEGACY: stream(
    "the image is in the format of Xen before 4.6; 'xenferry convert' makes a new one of it",
  ),
  STREAM_VERSION: stream("the stream is of a version this program does not know"),
  STREAM_IDENT: stream("a header inside the stream does not start as it must"),
  STREAM_RESERVED: stream("reserved bits or fields of a header are not zero"),
  STREAM_XL_BYTE_ORDER: stream("the byte order field of xl's header is neither of the two"),
  STREAM_XL_FLAGS: stream("xl's header demands features this program does not know"),
  STREAM_XL_OPTIONAL_FLAGS: stream("xl's header has optional flags that no xl ever wrote"),
  STREAM_XL_OPTIONAL_DATA: stream("xl's optional data is not a length and a configuration"),
  STREAM_XL_CONFIG: stream("the domain configuration in xl's header is missing or not JSON"),
  STREAM_GUEST_TYPE: stream("the domain header names a type of guest that does not exist"),
  STREAM_GUEST_MISMATCH: stream("configuration and domain header name different types of guest"),
  STREAM_PAGE_SHIFT: stream("the domain header names a page size other than 4096 octets"),
  STREAM_NO_POLICY: stream("the image does not say what its guest was told of the CPU"),
  STREAM_COMPRESSION: stream("the compressed image is damaged or needs too large a window"),

  RECORD_TOO_LONG: stream("a record claims to be longer than any record may be"),
  RECORD_UNKNOWN: stream("a mandatory record is of a type this program does not know"),
  RECORD_OPTIONAL: stream("libxl refuses optional records that it does not know"),
  RECORD_NOT_RESTORABLE: stream("the record cannot be restored: it is deprecated"),
  RECORD_GUEST_TYPE: stream("the record belongs to the other type of guest"),
  RECORD_BACK_CHANNEL: stream("the record belongs to the channel back to the sender"),
  RECORD_LENGTH: stream("the record's length does not fit its type or its own count"),
  RECORD_VALUE: stream("a field of the record has a value that is not allowed"),
  RECORD_RESERVED: stream("reserved fields of the record are not zero"),
  RECORD_PADDING: stream("the padding after the record is not zero"),
  RECORD_FRAME: stream("the record names a frame that the guest does not have as it should"),
  RECORD_EMPTY: stream("the record has no content and should have been left out"),

  PAGE_DATA_COUNT: stream("the page data names no page"),
  PAGE_DATA_LENGTH: stream("the page data is shorter or longer than its pages need"),
  PAGE_DATA_TYPE: stream("the page data has a page of a type that does not exist"),
  PAGE_DATA_RESERVED: stream("reserved bits of a pfn word are not zero"),
  PAGE_DATA_COMPRESSION: stream("the packed page data is damaged"),
  PAGE_DATA_REPEATED: stream("the page data names a frame twice"),
  PAGE_DATA_TABLE: stream(
    "the page data of an HVM guest has a page table, which only PV guests have",
  ),
  PAGE_DATA_MEMORY: stream("the page data needs more memory than the configuration allows"),
  PAGE_DATA_SCATTERED: stream("frames lie so far from each other that not all were followed"),
  PAGE_DATA_VERIFY: stream("a page that was sent again to compare is not what it was"),
  PAGE_DATA_VERIFY_NEW: stream("a page that was sent to compare had not been sent before"),
  PAGE_DATA_PFN: stream("the page data names a frame beyond 16 TiB"),

  PAGE_DATA_DIGEST: stream("the memory is not the one that the digest was made of"),

  DIGEST_NOT: stream("the file is no digest of memory, as 'xenferry digest' makes"),
  DIGEST_VERSION: stream("the digest is of a version this program does not know"),
  DIGEST_DAMAGED: stream("the digest itself is damaged; fetch it or make it again"),

  LEGACY_NOT: stream("the stream is no legacy one, from before Xen 4.6, as was said"),
  LEGACY_WIDTH: stream("the toolstack that wrote the stream had another width than was said"),
  LEGACY_GUEST_TYPE: stream("the stream is of the other type of guest than was said"),
  LEGACY_XL_HEADER: stream("xl's header is there though it was not said to be, or the reverse"),
  LEGACY_P2M_SIZE: stream("the stream names no number of frames that a guest can have"),
  LEGACY_EXTENDED_INFO: stream("the description of the PV guest's vCPUs is not one that Xen wrote"),
  LEGACY_CHUNK: stream("the stream has a chunk of a kind that no Xen wrote"),
  LEGACY_CHUNK_GUEST: stream("the chunk belongs to the other type of guest"),
  LEGACY_PFN: stream("a batch names a frame that the guest does not have, or one twice"),
  LEGACY_PAGE_TYPE: stream("a batch has a page of a type that does not exist"),
  LEGACY_LENGTH: stream("a part claims to be longer, or shorter, than any such part may be"),
  LEGACY_VCPU: stream("the set of vCPUs is empty, or names ids that no vCPU can have"),
  LEGACY_TOOLSTACK: stream("the toolstack's chunk is damaged, or of another version"),
  LEGACY_TMEM: stream(
    "the guest used transcendent memory (tmem), for which Migration v2 has no record: the stream " +
      "cannot be converted",
  ),
  LEGACY_COMPRESSION: stream("the compressed pages are damaged"),
  LEGACY_EMULATOR: stream(
    "no device model's state follows the HVM guest's, or one of its own kind",
  ),

  ORDER_STATIC_DATA_MISSING: stream("memory or registers come before STATIC_DATA_END"),
  ORDER_STATIC_DATA_LATE: stream("static data comes after STATIC_DATA_END"),
  ORDER_STATIC_DATA_VERSION: stream("a version 2 stream holds a record of version 3"),
  ORDER_REPEATED: stream("a record that may come once comes again"),
  ORDER_MISSING: stream("the stream ends without a record it must have"),
  ORDER_DEPENDENCY: stream("a record comes before another that it depends on"),
  ORDER_VERIFY: stream("frames to compare are mixed with other records or checkpoints"),
  ORDER_CHECKPOINT: stream("a checkpoint's record comes outside its checkpoint"),
  CHECKPOINT_NONE: stream("the stream ends instead of going on to its next checkpoint"),
  CHECKPOINT_TOO_LONG: stream("a checkpoint is longer than all that the guest has"),

  GUEST_UNAVAILABLE: world("this kind of guest cannot run here"),
  GUEST_NOT_FOUND: world("no guest has that name; 'xenferry list' shows those there are"),
  GUEST_AMBIGUOUS: usage(
    "a domain of Xen and an embedded guest have that name; put 'xen:' or 'embedded:' before it",
  ),
  GUEST_NAME_TAKEN: world("a guest of that name exists already; destroy it or choose another name"),
  GUEST_CONFIG: usage("the guest's description is not valid"),
  GUEST_LOST: world("the guest's process is gone"),
  GUEST_HOST_CALL: world("a system call on the guest failed"),
  GUEST_STATE: world("the guest refused its state records"),
  GUEST_PROTOCOL: world("the guest's program does not speak this version's control protocol"),
  GUEST_FRAMES: world("the guest's own tables name frames that are not its own"),
  GUEST_PAGE_TABLES: stream("the guest's page tables are missing, or map too much to follow"),
  GUEST_PFN_RANGE: stream("the stream names a page outside the guest's memory"),

  TRANSPORT_ADDRESS: usage("the address is not understood"),
  TRANSPORT_OPEN: world("the connection or file could not be opened"),
  TRANSPORT_LOST: world("the connection or file failed while in use"),
  TRANSPORT_CHANNEL: world("the channels of the migration do not fit together"),

  HANDSHAKE_BANNER: world("the other end did not answer as a migration receiver"),
  HANDSHAKE_SENTENCE: world("the other end said something else than the hand-shake expects"),
  HANDSHAKE_REFUSED: world("the receiver could not take the guest; it goes on here"),
  HANDSHAKE_UNDECIDED: world(
    "permission to go was sent but no report came: the guest may run at the other end. It stays " +
      "suspended here; check at both ends, then unpause or destroy this one",
  ),

  ENGINE_UNAVAILABLE: world("the named engine cannot be used here"),
  ENGINE_UNKNOWN: usage("no engine has that name"),

  MIGRATION_ABORTED: world("the migration was given up before the guest was suspended"),
  MIGRATION_INTERRUPTED: world("interrupted; the guest runs on"),

  TRACE_INVALID: usage("the file is neither a trace nor a profile of a live save or migration"),

  POLICY_MODULE: usage("the policy's module cannot be loaded"),
  POLICY_EXPORT: usage(
    "the policy's module exports no policy by default: an object with a name and decide(), or a " +
      "function that returns one",
  ),
  POLICY_THROWN: world("the policy's module threw an error; the guest runs on"),
  POLICY_DECISION: world(
    "the policy's module returned no decision, which is an action ('continue', 'stop-and-copy' " +
      "or 'abort') and a reason; the guest runs on",
  ),

  HELPER_ARGUMENTS: usage("libxl starts this program, with arguments that these are not"),
  HELPER_SETTINGS: usage("a setting of the save helper is not valid"),
  HELPER_CALLBACK_ABSENT: world("libxl offers no such callback for this guest"),
  HELPER_CALLBACK_REFUSED: world("libxl could not do what it was asked for; its log says why"),
  HELPER_ANSWER: world("libxl answered what no libxl answers, or what was not asked"),
  HELPER_LIBXL_GONE: world("libxl is gone, or no longer listens"),

  REWRITE_REFUSED: stream(
    "'verify' does not accept what would be written; '--force' has it written all the same",
  ),
  FIELD_UNKNOWN: usage(
    "the image has no such field; 'xenferry inspect --paths' lists those it has",
  ),
  FIELD_DERIVED: usage(
    "the field cannot be set: it is worked out from others, or says how the stream is written",
  ),
  FIELD_VALUE: usage("the value does not fit the field"),

  XL_FAILED: world("xl could not do it"),
  XL_OUTPUT: world("xl printed what this program does not understand"),

  BENCH_RESULTS: usage(
    "the file has other results than those of this sweep; name another (-o), or begin it --anew",
  ),
  BENCH_INTERRUPTED: world("interrupted; the same command goes on where the sweep ended"),
  BENCH_MIGRATION: world("a migration of the sweep failed"),
  BENCH_TIMEOUT: world("a migration of the sweep did not end in time, and was ended"),
  BENCH_UNPROVEN: world("the guest's memory is not what it must be after the migration"),

  REPORT_INPUT: world("the file cannot be made a report of"),
  REPORT_PAGE: world("the report's page is not built; 'node setup.mjs' in the checkout builds it"),

  USAGE_ARGUMENT: usage("an argument is not valid"),
} as const satisfies Record<string, CodeMeaning>;

function stream(sentence: string): CodeMeaning {
  return { exit: 1, sentence };
}

function world(sentence: string): CodeMeaning {
  return { exit: 1, sentence };
}

function usage(sentence: string): CodeMeaning {
  return { exit: 2, sentence };
}

/** Every condition this project reports; one code means one condition. */
export type ErrorCode = keyof typeof CODES;

/** Facts about an error; a name carries its unit (`offset` is octets from the stream's start). */
export type ErrorFacts = Readonly<
  Record<string, string | number | bigint | boolean | undefined | readonly (string | number)[]>
>;

/** The stream, the peer, the guest, the machine or the command line is at fault. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
  readonly code: ErrorCode;
  readonly where: ErrorFacts;

  constructor(code: ErrorCode, where: ErrorFacts = {}, cause?: unknown) {
    super(describe(code, where), cause === undefined ? undefined : { cause });
    this.code = code;
    this.where = where;
  }

  /** Exit status of a command that ends with this: 1 the world's fault, 2 ours or the caller's. */
  get exitStatus(): 1 | 2 {
    return CODES[this.code].exit;
  }
}

/** All codes, for documents and tests. */
export const ERROR_CODES = Object.keys(CODES) as readonly ErrorCode[];

/** What `code` means, in a sentence for a person. */
export function sentenceOf(code: ErrorCode): string {
  return CODES[code].sentence;
}

function describe(code: ErrorCode, where: ErrorFacts): string {
  const facts = Object.entries(where)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value)}`);
  const tail = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return `${CODES[code].sentence}${tail} [${code}]`;
}
