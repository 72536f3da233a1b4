import type { Clock } from "../base/clock.ts";
import type { ByteSink } from "../base/io.ts";
import type { PageEngine } from "../engine/types.ts";
import type { SourceMemory } from "../guest/types.ts";
import { probePump } from "../transport/pump-addon.ts";
import { createNativePump } from "./native-pump.ts";
import { createPortablePump } from "./portable-pump.ts";
import type { PumpOptions, SendPump } from "./pump.ts";

/**
 * Makes the pump that fits: the native one where the native engine is used, memory is mapped, every
 * page of it can be sent at any time, and the sink has a descriptor; else the portable one.
 */
export function choosePump(parts: {
  readonly memory: SourceMemory;
  readonly engine: PageEngine;
  readonly sink: ByteSink;
  readonly clock: Clock;
  readonly options: PumpOptions;
}): SendPump {
  const { memory, engine, sink, options } = parts;
  const isMapped = memory.windows.length > 0 && memory.unsendable === undefined;
  const { addon } = engine.name === "native" && isMapped ? probePump() : {};
  return addon !== undefined && sink.direct !== undefined
    ? createNativePump({ addon, memory, sink, options })
    : createPortablePump(parts);
}
