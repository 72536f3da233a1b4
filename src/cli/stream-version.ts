import { InvalidArgumentError, Option } from "commander";
import type { StreamVersion } from "../migration/legacy.ts";

/** The option that says what a stream is instead of having it looked at. */
export function streamVersionOption(): Option {
  return new Option(
    "--stream-version <version>",
    "1: the image is legacy, of Xen before 4.6; 2: it is Migration v2; found out unless given",
  )
    .choices(["1", "2"])
    .argParser(parseStreamVersion);
}

function parseStreamVersion(text: string): StreamVersion {
  if (text !== "1" && text !== "2") {
    throw new InvalidArgumentError("1 or 2.");
  }
  return text === "1" ? 1 : 2;
}
