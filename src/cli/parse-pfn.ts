import { InvalidArgumentError } from "commander";
import { PFN_COUNT_MAX } from "../base/units.ts";

/** A frame's number as users write it. @throws InvalidArgumentError */
export function parsePfn(text: string): number {
  const pfn = Number(text);
  if (text.trim() === "" || !Number.isInteger(pfn) || pfn < 0 || pfn >= PFN_COUNT_MAX) {
    throw new InvalidArgumentError("a frame's number is wanted, such as 4096 or 0x1000");
  }
  return pfn;
}
