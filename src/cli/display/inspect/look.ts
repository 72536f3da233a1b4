import { MigrationError } from "../../../base/errors.ts";
import type { Inspected } from "../../../migration/inspect.ts";
import { pageTypeLabel } from "../../../migration/memory-image.ts";
import { type Walk, walkPageTables } from "../../../migration/page-walk.ts";
import { renderHexDump } from "../../../report/hex-dump.ts";
import { renderTable } from "../../../report/render.ts";
import { parseNumber, parsePagingMode, parseRoot } from "../../address-space.ts";

/** Octets shown of what an address leads to. */
const SHOWN_BYTES = 256;

/** What a look gives: for `--json`, and as text. */
interface Look {
  readonly result: object;
  readonly text: () => string;
}

/**
 * One page of the guest's memory.
 *
 * @throws MigrationError USAGE_ARGUMENT the image does not name the frame; TRANSPORT_*
 */
export async function lookAtPage({ memory }: Inspected, pfn: number): Promise<Look> {
  const frame = await memory.frame(pfn);
  if (frame === undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { pfn, problem: "the image names no such frame" });
  }
  const { pageType, sentTimes, page } = frame;
  const type = pageTypeLabel(pageType);
  const content = page === undefined ? null : Buffer.from(page).toString("hex");
  const head = `frame 0x${pfn.toString(16)}: ${type}, sent ${sentTimes} times`;
  return {
    result: { pfn, page_type: type, sent_times: sentTimes, content },
    text: () => (page === undefined ? `${head}, no memory` : `${head}\n${renderHexDump(page)}`),
  };
}

/**
 * Where an address of the guest leads, and what is there.
 *
 * @param place CR3 and address, `0x1000:0xffff…`; or a vCPU, whose CR3 is taken, `vcpu0:0xffff…`.
 * @param paging mode, where it is not that of the image's vCPUs.
 * @throws MigrationError USAGE_ARGUMENT; TRANSPORT_*
 */
export async function lookAtAddress(
  { memory, paging: known }: Inspected,
  place: string,
  paging: string | undefined,
): Promise<Look> {
  const [root = "", addressText = "", ...others] = place.split(":");
  const address = parseNumber(addressText);
  const space = parseRoot(root);
  const cr3 = space && ("cr3" in space ? space.cr3 : known.cr3Of(space.vcpu));
  if (cr3 === undefined || address === undefined || others.length > 0) {
    const expected = "CR3:VA or vcpuN:VA, of a vCPU of the image";
    throw new MigrationError("USAGE_ARGUMENT", { at: place, expected });
  }
  const mode = paging === undefined ? known.modeOf(cr3) : parsePagingMode(paging);
  if (mode === undefined) {
    const problem = "the image has no vCPU: say --paging";
    throw new MigrationError("USAGE_ARGUMENT", { at: place, problem });
  }
  const start = { mode, tableAddress: known.tableAddress(cr3, mode), address };
  const readPage = async (pfn: number) => (await memory.frame(pfn))?.page;
  const walk = await walkPageTables(start, readPage);
  const page = walk.pfn === undefined ? undefined : await readPage(walk.pfn);
  const offset = walk.page_offset ?? 0;
  const shown = page?.subarray(offset, offset + SHOWN_BYTES);
  const content = shown === undefined ? null : Buffer.from(shown).toString("hex");
  return { result: { walk, content }, text: () => renderWalk(walk, shown) };
}

function renderWalk(walk: Walk, content: Uint8Array | undefined): string {
  const rows = walk.steps.map(({ level, table_pfn, index, entry, flags }) => [
    `${level}`,
    table_pfn,
    `${index}`,
    entry,
    flags.join(" "),
  ]);
  const steps =
    rows.length === 0 ? [] : [renderTable(["level", "table pfn", "index", "entry", "flags"], rows)];
  const lines = [...steps, outcomeText(walk)];
  if (content !== undefined) {
    lines.push(renderHexDump(content, walk.page_offset));
  } else if (walk.outcome === "mapped") {
    lines.push("the image has no page there");
  }
  return lines.join("\n");
}

function outcomeText({ address, mode, outcome, physical, page_bytes: bytes, pfn }: Walk): string {
  switch (outcome) {
    case "mapped": {
      const page = mode === "none" ? "paging is off" : `a page of ${bytes} octets`;
      return `${address} is ${physical}, ${page}, frame 0x${(pfn ?? 0).toString(16)}`;
    }
    case "not present":
      return `${address} is not mapped (${mode})`;
    case "no table":
      return `${address}: the image has no page where the next table should be (${mode})`;
  }
}
