/** First 32 octets of a saved domain. @source tools/xl/xl.h savefileheader_magic */
export const XL_MAGIC = "Xen saved domain, xl format\n \0 \r";

/** Octets of magic, byte order, two sets of flags, and the length of the optional data. */
export const XL_HEADER_BYTES = 48;

/** Value of the byte order field in the domain's own byte order. */
export const XL_BYTE_ORDER = 0x0102_0304;

/** Mandatory flags: the configuration is JSON; a libxl v2 stream follows. @source tools/xl/xl.h */
export const XL_MANDATORY_JSON_MASK = 0x1;
export const XL_MANDATORY_STREAM_V2_MASK = 0x2;

/** Mandatory flags without a meaning. */
export const XL_MANDATORY_UNKNOWN_MASK = 0xffff_fffc;

/** Octets of the length in front of the configuration. */
export const XL_CONFIG_HEAD_BYTES = 4;

/**
 * Most octets of optional data that are read.
 *
 * @inferred xl has no limit; a configuration is a few KiB.
 */
export const XL_OPTIONAL_DATA_BYTES_MAX = 16 * 1024 * 1024;

/** What the two ends of xl's migration say to each other. @source tools/xl/xl.h */
export const XL_SENTENCE = {
  BANNER: "xl migration receiver ready, send binary domain data.\n",
  READY: "domain received, ready to unpause",
  PERMISSION: "domain is yours, you are cleared to unpause",
  REPORT: "my copy unpause results are as follows",
} as const;

/** Names of the four sentences. */
export type XlSentenceName = keyof typeof XL_SENTENCE;

/**
 * Octets of each sentence as sent: the banner goes without its final NUL, the others with it.
 *
 * The report is followed by one more octet, 0 if the guest runs at the receiver.
 *
 * @source tools/xl/xl_migrate.c, the `sizeof` uses
 */
export const XL_SENTENCE_BYTES: Readonly<Record<XlSentenceName, number>> = {
  BANNER: XL_SENTENCE.BANNER.length,
  READY: XL_SENTENCE.READY.length + 1,
  PERMISSION: XL_SENTENCE.PERMISSION.length + 1,
  REPORT: XL_SENTENCE.REPORT.length + 1,
};

/** A sentence as it goes over the wire, in octets of its own. */
export function xlSentence(name: XlSentenceName): Uint8Array {
  const bytes = new Uint8Array(XL_SENTENCE_BYTES[name]);
  bytes.set(new TextEncoder().encode(XL_SENTENCE[name]));
  return bytes;
}
