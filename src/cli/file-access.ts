import { Option } from "commander";

/** The option that says whether files go through the page cache. @param what is done how. */
export function fileAccessOption(what: string): Option {
  return new Option("--file-access <way>", `how ${what}: through the page cache, or past it`)
    .choices(["auto", "cached", "direct"])
    .default("auto");
}
