import { openImage } from "../../src/transport/image-file.ts";
import { join } from "./bytes.ts";

/** All octets of an image, decompressed. */
export async function wholeImage(file: string): Promise<Uint8Array> {
  const image = await openImage(file);
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await image.some(1 << 20);
    if (chunk === undefined) {
      await image.close();
      return join(...chunks);
    }
    chunks.push(chunk.slice());
  }
}
