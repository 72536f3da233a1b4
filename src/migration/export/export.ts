import { MigrationError } from "../../base/errors.ts";
import type { ByteSink } from "../../base/io.ts";
import { hexText } from "../../codec/layout.ts";
import type { PagingMode } from "../../format/paging.ts";
import { SparseOutput } from "../../transport/sparse-output.ts";
import { withImageContents } from "../image-contents.ts";
import type { InspectedSource } from "../inspect.ts";
import { findMappings, type PageMappings } from "../page-mappings.ts";
import type { ReadingOptions } from "../verify-stream.ts";
import { writeDumpCore } from "./dump-core.ts";
import { writeElfCore } from "./elf-core.ts";
import { type ExportedGuest, exportedGuest } from "./guest.ts";
import type { ExportOutput } from "./output.ts";
import { writeLime, writeRaw } from "./plain.ts";
import { VmcoreinfoSearch } from "./vmcoreinfo.ts";

/** What other programs read memory from. */
export const EXPORT_FORMATS = ["elf", "dump-core", "lime", "raw"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** An address space: CR3, or a vCPU that has it, and how its tables are laid out if not told. */
export interface VirtualSpace {
  readonly root: { readonly vcpu: number } | { readonly cr3: bigint };
  readonly mode?: PagingMode | undefined;
}

/** Options of {@link exportMemory}. */
export interface ExportOptions extends ReadingOptions {
  readonly format: ExportFormat;
  /** Only for `elf`: its segments are those of this address space, not of physical memory. */
  readonly virtual?: VirtualSpace | undefined;
  /** Called once, when the image has been read and there is something to write. */
  readonly openSink: () => Promise<ByteSink>;
  /** Called with the frames there are, then now and then with those written. */
  readonly onFrames?: ((frameCount: number, of: number) => void) | undefined;
}

/** What was exported. */
export interface ExportSummary {
  readonly guest: "pv" | "hvm";
  readonly vcpus: number;
  readonly frames: number;
  readonly zeroFrames: number;
  readonly ranges: number;
  /** Octets of the result, and those of them that are holes. */
  readonly bytes: number;
  readonly holeBytes: number;
  /** Only of ELF. */
  readonly elf?: {
    readonly elfClass: 32 | 64;
    readonly segments: number;
    readonly hasVmcoreinfo: boolean;
    /** Of the address space. */
    readonly cr3?: string;
    readonly paging?: PagingMode;
    readonly mappedFrames?: number;
  };
}

/**
 * Writes the memory that restoring an image gives, and its registers, for other programs to read.
 *
 * Memory goes with the number of frames, not with their pages. The sink gets its name only if all
 * went well.
 *
 * @throws MigrationError STREAM_*, RECORD_*, PAGE_DATA_* the image cannot be read to its end;
 *   GUEST_PAGE_TABLES, USAGE_ARGUMENT about the address space; TRANSPORT_*; the signal's reason.
 */
export async function exportMemory(
  source: InspectedSource,
  options: ExportOptions,
): Promise<ExportSummary> {
  const search = new VmcoreinfoSearch();
  const onPages = options.format === "elf" ? search.take.bind(search) : undefined;
  return await withImageContents(source, { ...options, onPages }, async (contents) => {
    const guest = exportedGuest(contents);
    const virtual = options.virtual && (await addressSpace(guest, options.virtual, options.signal));
    const vmcoreinfo = await search.find(guest.memory);
    const sink = await options.openSink();
    try {
      const output = new SparseOutput(sink);
      const { frameCount } = guest.memory;
      const onFrames = (done: number) => options.onFrames?.(done, frameCount);
      const out = { output, signal: options.signal, onFrames };
      const elf = await write(guest, { format: options.format, virtual, vmcoreinfo }, out);
      await output.finish();
      await sink.end();
      return summaryOf(guest, output, elf);
    } catch (error) {
      await sink.abort();
      throw error;
    }
  });
}

interface FoundSpace {
  readonly cr3: bigint;
  readonly mode: PagingMode;
  readonly mappings: PageMappings;
}

interface Wanted {
  readonly format: ExportFormat;
  readonly virtual: FoundSpace | undefined;
  readonly vmcoreinfo: Uint8Array | undefined;
}

async function write(
  guest: ExportedGuest,
  { format, virtual, vmcoreinfo }: Wanted,
  out: ExportOutput,
): Promise<ExportSummary["elf"]> {
  switch (format) {
    case "elf": {
      const mappings = virtual?.mappings;
      const core = await writeElfCore(guest, { mappings, vmcoreinfo }, out);
      const space = virtual && {
        cr3: hexText(virtual.cr3),
        paging: virtual.mode,
        mappedFrames: virtual.mappings.frameCount,
      };
      return { ...core, hasVmcoreinfo: vmcoreinfo !== undefined, ...space };
    }
    case "dump-core":
      await writeDumpCore(guest, out);
      return undefined;
    case "lime":
      await writeLime(guest.memory, out);
      return undefined;
    case "raw":
      await writeRaw(guest.memory, out);
      return undefined;
  }
}

async function addressSpace(
  { memory, paging }: ExportedGuest,
  { root, mode: asked }: VirtualSpace,
  signal: AbortSignal | undefined,
): Promise<FoundSpace> {
  const cr3 = "cr3" in root ? root.cr3 : paging.cr3Of(root.vcpu);
  if (cr3 === undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { ...root, problem: "the image has no such vCPU" });
  }
  const mode = asked ?? paging.modeOf(cr3);
  if (mode === undefined || mode === "none") {
    const problem =
      mode === "none" ? "its paging is switched off" : "the image has no vCPU: say --paging";
    throw new MigrationError("USAGE_ARGUMENT", { cr3: hexText(cr3), problem });
  }
  const tableAddress = paging.tableAddress(cr3, mode);
  const mappings = await findMappings(memory, { mode, tableAddress }, signal);
  return { cr3, mode, mappings };
}

function summaryOf(
  { kind, vcpus, memory }: ExportedGuest,
  output: SparseOutput,
  elf: ExportSummary["elf"],
): ExportSummary {
  return {
    guest: kind,
    vcpus: vcpus.length,
    frames: memory.frameCount,
    zeroFrames: memory.zeroCount,
    ranges: memory.rangeCount,
    bytes: output.offset,
    holeBytes: output.holeBytes,
    ...(elf && { elf }),
  };
}
