import { PAGE_BYTES } from "../base/units.ts";
import type { GuestConfig, WorkloadFill, WorkloadPattern } from "./types.ts";

/**
 * The embedded guests' workload in plain TypeScript: the oracle for the native and the
 * WebAssembly guest. All arithmetic is unsigned 64-bit and wraps.
 *
 * Page content is a function of (seed, fill, pfn, version): word 0 the pfn, word 1 the version,
 * word 2 a checksum, words 3-511 the body; all words 0 at version 0 of a zero fill and, in a
 * half-zero fill, of every other run of 16 pages.
 *
 * @source splitmix64's constants and finalizer: Steele, Lea, Flood, OOPSLA 2014
 */

/** 64-bit words in a page. */
export const PAGE_WORDS = PAGE_BYTES / 8;

/** Pages of a half-zero fill are random, then zero, so many at a time. */
const ZERO_RUN_PAGES = 16;

/** The words of a text fill; a body word is one of these, by the top 4 bits of the random word. */
export const TEXT_WORDS = [
  "migrate ",
  "the page",
  " and the",
  " memory ",
  "of guest",
  " running",
  " on host",
  "s while ",
  "iterate ",
  "dirty, a",
  "nd then ",
  "suspend.",
  "\nResume ",
  "nothing ",
  "was lost",
  " in time",
] as const;

/** State of one vCPU: all that travels besides memory. Each is an unsigned 64-bit value. */
export interface VcpuState {
  readonly stores: bigint;
  readonly reads: bigint;
  readonly faults: bigint;
  readonly prng: bigint;
  readonly cursor: bigint;
  /** Sum of {@link versionTerm} over the vCPU's pages. */
  readonly versions: bigint;
}

/** What decides the content of a page besides its number and version. */
export interface ContentSource {
  readonly seed: bigint;
  readonly fill: WorkloadFill;
}

/** Where the vCPUs store. */
export interface WorkloadShape {
  readonly firstPfn: number;
  readonly workingSetPages: number;
  readonly vcpus: number;
  readonly pattern: WorkloadPattern;
  /** An operation reads when the low 16 bits of its random number are below this. */
  readonly readThreshold: number;
}

/** One operation of a vCPU, before it is done. */
export interface Operation {
  readonly kind: "read" | "store";
  readonly pfn: number;
  /** The vCPU's prng and cursor after the operation was drawn. */
  readonly prng: bigint;
  readonly cursor: bigint;
}

const G = 0x9e3779b97f4a7c15n;
const M1 = 0xbf58476d1ce4e5b9n;
const M2 = 0x94d049bb133111ebn;

/** Frames of the guest that `config` describes. */
export function pfnCountOf(config: GuestConfig): number {
  return config.memoryBytes / PAGE_BYTES;
}

/** The workload of `config` as the vCPUs need it. */
export function workloadShape(config: GuestConfig): WorkloadShape {
  const { workload, vcpus } = config;
  const { workingSetPages, pattern } = workload;
  return {
    firstPfn: Math.floor((pfnCountOf(config) - workingSetPages) / 2),
    workingSetPages,
    vcpus,
    pattern,
    readThreshold: Math.round(workload.readShare * 0x10000),
  };
}

/** Pages that `vcpu` may store to: page indexes congruent to it modulo the number of vCPUs. */
export function sharePages(shape: WorkloadShape, vcpu: number): number {
  return Math.max(0, Math.ceil((shape.workingSetPages - vcpu) / shape.vcpus));
}

/** splitmix64's finalizer. */
export function mix(value: bigint): bigint {
  let x = value;
  x = u64((x ^ (x >> 30n)) * M1);
  x = u64((x ^ (x >> 27n)) * M2);
  return x ^ (x >> 31n);
}

/** The 512 words of page `pfn` after `version` stores. */
export function pageWords(source: ContentSource, pfn: number, version: bigint): BigUint64Array {
  const words = new BigUint64Array(PAGE_WORDS);
  if (version === 0n && startsAsZero(source.fill, pfn)) {
    return words;
  }
  const isText = version === 0n && source.fill === "text";
  const key = pageKey(source.seed, pfn, version);
  let sum = 0n;
  for (let index = 3; index < PAGE_WORDS; index += 1) {
    const random = bodyWord(key, index);
    words[index] = isText ? textWord(random) : random;
    sum += words[index]!;
  }
  words[0] = BigInt(pfn);
  words[1] = version;
  words[2] = mix(u64(key + sum));
  return words;
}

/** What page `pfn` at `version` adds to its vCPU's {@link VcpuState.versions}; 0 at version 0. */
export function versionTerm(seed: bigint, pfn: number, version: bigint): bigint {
  return version === 0n ? 0n : mix(pageKey(seed, pfn, version) ^ M2);
}

/** A vCPU that has done nothing yet. */
export function initialVcpuState(seed: bigint, vcpu: number): VcpuState {
  const prng = mix(u64(seed + BigInt(vcpu + 1) * G));
  return { stores: 0n, reads: 0n, faults: 0n, prng, cursor: 0n, versions: 0n };
}

/**
 * Draws the next operation of `vcpu`, whose share must not be empty.
 *
 * The zipf pattern's logarithms may differ in the last place between machines and languages, so
 * two guests may choose differently there; what each proves does not depend on the choice.
 */
export function nextOperation(shape: WorkloadShape, vcpu: number, state: VcpuState): Operation {
  let prng = state.prng;
  const next = () => {
    prng = u64(prng + G);
    return mix(prng);
  };
  const kind = Number(next() & 0xffffn) < shape.readThreshold ? "read" : "store";
  const share = sharePages(shape, vcpu);
  let cursor = state.cursor;
  let index = 0;
  if (shape.pattern === "sequential") {
    index = Number(cursor);
    cursor = (cursor + 1n) % BigInt(share);
  } else if (shape.pattern === "uniform") {
    index = Number((next() * BigInt(share)) >> 64n);
  } else {
    const fraction = Number(next() >> 11n) * 2 ** -53;
    index = Math.min(share - 1, Math.floor(Math.exp(fraction * Math.log(share + 1))) - 1);
  }
  return { kind, pfn: shape.firstPfn + vcpu + index * shape.vcpus, prng, cursor };
}

function startsAsZero(fill: WorkloadFill, pfn: number): boolean {
  return fill === "zero" || (fill === "half-zero" && Math.floor(pfn / ZERO_RUN_PAGES) % 2 === 1);
}

function pageKey(seed: bigint, pfn: number, version: bigint): bigint {
  return mix(seed ^ mix(u64(BigInt(pfn) * G + version)));
}

function bodyWord(key: bigint, index: number): bigint {
  let word = u64(key + BigInt(index) * G);
  word = u64((word ^ (word >> 32n)) * M1);
  return word ^ (word >> 29n);
}

function textWord(random: bigint): bigint {
  const text = TEXT_WORDS[Number(random >> 60n)]!;
  return Buffer.from(text, "latin1").readBigUInt64LE();
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
