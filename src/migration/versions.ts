import { IMAGE_VERSION_MAX, IMAGE_VERSION_MIN } from "../format/libxc.ts";

/** Versions of streams that are read, and those that are written. */
export const HANDLED_VERSIONS = {
  /** Of streams: 1 is the legacy format, of Xen 3.4 to 4.5; 2 is Migration v2. */
  streams: [1, 2],
  /** Of libxc's image header in Migration v2. */
  libxc: [IMAGE_VERSION_MIN, IMAGE_VERSION_MAX],
  /** What is written, whatever was read. */
  written: { stream: 2, libxc: IMAGE_VERSION_MAX },
} as const;
