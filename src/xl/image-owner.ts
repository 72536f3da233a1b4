import { MigrationError } from "../base/errors.ts";
import { pullEvents } from "../codec/pull.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { selectEngine } from "../engine/select.ts";
import { type ImageSource, openImage } from "../transport/image-file.ts";

/** Whose image a file is, as far as its beginning says. */
export type ImageOwner =
  | { readonly kind: "embedded" }
  | {
      readonly kind: "xen";
      /** Name of the guest; the file's where the image has none. */
      readonly name: string;
      /** Whether it is packed, which `xl` cannot read. */
      readonly isPacked: boolean;
    };

/**
 * Looks into an image for whose it is. What has no configuration of `xl`, or is no image at all,
 * counts as an embedded guest's, whose restore says what is wrong with it.
 *
 * @throws MigrationError TRANSPORT_OPEN, TRANSPORT_LOST
 */
export async function imageOwner(file: string): Promise<ImageOwner> {
  const source = await openImage(file);
  try {
    const config = parsed(await configText(source));
    if (config === undefined || "xenferry" in config) {
      return { kind: "embedded" };
    }
    const isPacked = source.compression !== "none";
    return { kind: "xen", name: nameIn(config) ?? file, isPacked };
  } finally {
    await source.close();
  }
}

async function configText(source: ImageSource): Promise<string> {
  const { engine } = selectEngine("reference");
  try {
    for await (const event of pullEvents(source, engine)) {
      const config = event.kind === "xl-header" ? event.header.config : undefined;
      return config === undefined ? "" : xlConfigText(config);
    }
  } catch (error) {
    if (!(error instanceof MigrationError)) {
      throw error;
    }
  }
  return "";
}

function parsed(text: string): object | undefined {
  try {
    const config: unknown = JSON.parse(text);
    return typeof config === "object" && config !== null ? config : undefined;
  } catch {
    return undefined;
  }
}

function nameIn(config: object): string | undefined {
  const info = "c_info" in config ? config.c_info : undefined;
  const name = typeof info === "object" && info !== null && "name" in info ? info.name : undefined;
  return typeof name === "string" ? name : undefined;
}
