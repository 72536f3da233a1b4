import { LEGACY_CHUNK_PARAMS, legacyChunkName } from "../../format/legacy.ts";
import { hvmParamName } from "../../format/libxc.ts";
import type { LegacyCheckpointEvent, LegacyEvent } from "../../legacy/events.ts";

/** What `--verbose` tells of an event: lines that start with its offset. */
export function describeLegacyEvent(event: LegacyEvent): readonly string[] {
  return linesOf(event).map((line) => `${String(event.offset).padStart(10)}  ${line}`);
}

function linesOf(event: LegacyEvent): readonly string[] {
  switch (event.kind) {
    case "start": {
      const xend = event.isFromXend ? ", saved by xend" : "";
      const who = `${event.guest.toUpperCase()} guest, ${event.width}-bit toolstack${xend}`;
      return [`p2m size ${hex(event.pfnCount)}: ${who}`];
    }
    case "pv":
      return [`${event.guestWidth * 8}-bit guest, ${event.p2mPfns.length} frames of its p2m`];
    case "chunk":
      return [`chunk ${event.id} ${chunkName(event.id)}`];
    case "pages": {
      const { length } = event.pfns;
      return [`${length} pages, ${event.pages.length} octets of data`];
    }
    case "tsc": {
      const { mode, nsec, khz, incarnation } = event.info;
      return [`  mode ${mode}, ${nsec} ns, ${khz} kHz, incarnation ${incarnation}`];
    }
    case "checkpoint":
      return describeCheckpoint(event);
    case "discarded":
      return [`left out from here on: ${event.error.message}`];
  }
}

function chunkName(id: number): string {
  const param = LEGACY_CHUNK_PARAMS.get(id);
  const name = param === undefined ? legacyChunkName(id) : hvmParamName(param);
  return name ?? "";
}

function describeCheckpoint({ params, physmap, tail }: LegacyCheckpointEvent): readonly string[] {
  const memory = physmap.map(({ physOffset, startAddress, sizeBytes, name }) => {
    const place = `${hex(physOffset)} at ${hex(startAddress)}, ${hex(sizeBytes)} octets`;
    return `  physmap ${place}${name === undefined ? "" : `, ${name}`}`;
  });
  if (tail.guest === "pv") {
    const vcpus = tail.vcpus.map(
      ({ vcpuId, basic, extended, xsave }) =>
        `  vcpu ${vcpuId}: ${lengths(basic, extended, xsave)} octets`,
    );
    return ["complete, with", ...memory, ...vcpus];
  }
  const all = [...params, ...tail.params].map(
    ({ index, value }) => `  param ${hvmParamName(index) ?? index} ${hex(value)}`,
  );
  const emulator = tail.emulator?.state.length;
  const state = `  context of ${tail.context.length} octets, device model of ${emulator ?? "no"}`;
  return ["complete, with", ...all, ...memory, state];
}

function lengths(...parts: readonly (Uint8Array | undefined)[]): string {
  return parts.map((part) => part?.length ?? 0).join(" + ");
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
