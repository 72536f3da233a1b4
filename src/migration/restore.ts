import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { PAGE_BYTES } from "../base/units.ts";
import { hasStreamData } from "../format/page-type.ts";
import { configFromJson } from "../guest/config.ts";
import type { GuestConfig, GuestSink, StateRecord } from "../guest/types.ts";
