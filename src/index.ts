/** Public API: what programs that use xenferry as a library may rely on. */

export { systemClock } from "./base/clock.ts";
export { ERROR_CODES, type ErrorCode, type ErrorFacts, MigrationError } from "./base/errors.ts";
export type { ByteSink, ByteSource } from "./base/io.ts";
export { decodeDigestFile, encodeDigestFile } from "./codec/digest-file.ts";
export type { StreamEvent } from "./codec/events.ts";
export { pullEvents } from "./codec/pull.ts";
export { PushReader } from "./codec/push.ts";
export { StreamEncoder, StreamWriter } from "./codec/stream-writer.ts";
export { type EngineChoice, listEngines, selectEngine } from "./engine/select.ts";
export type { PageEngine } from "./engine/types.ts";
export { parseConfigFile, parseGuestSpec } from "./guest/config.ts";
export { attachGuest, listGuests, openBackend } from "./guest/open.ts";
export type { GuestConfig, GuestSink, GuestSource } from "./guest/types.ts";
export {
  type ConvertOptions,
  type ConvertOutcome,
  type ConvertProgress,
  convertStream,
} from "./migration/convert.ts";
export { diffImages, withBothImages } from "./migration/diff/diff.ts";
export { exportMemory } from "./migration/export/export.ts";
export type { FieldChange, FieldEdit } from "./migration/fields.ts";
export { inspectStream } from "./migration/inspect.ts";
export { listFields } from "./migration/list-fields.ts";
export { digestImage, verifyAgainstDigest } from "./migration/memory-digest.ts";
export { migrateGuest } from "./migration/migrate.ts";
export type { PolicyModule } from "./migration/policy-module.ts";
export { receiveGuest } from "./migration/receive.ts";
export { rehearseMigration } from "./migration/rehearsal.ts";
export { restoreGuest } from "./migration/restore.ts";
export {
  type RewriteChanges,
  type RewriteOptions,
  type RewriteOutcome,
  rewriteStream,
} from "./migration/rewrite.ts";
export { saveGuest } from "./migration/save.ts";
export { verifyStream } from "./migration/verify-stream.ts";
export { HANDLED_VERSIONS } from "./migration/versions.ts";
export { deadlinePolicy } from "./model/policies/deadline.ts";
export { downtimePolicy } from "./model/policies/downtime.ts";
export { downtimeEstimateMs, finalCopyEstimateMs } from "./model/policies/estimates.ts";
export { minimumPolicy } from "./model/policies/minimum.ts";
export { xenPolicy } from "./model/policies/xen.ts";
export {
  POLICY_DEFAULTS,
  type PolicyOptions,
  type PrecopyDecision,
  type PrecopyPolicy,
  type PrecopyStatistics,
} from "./model/policy.ts";
export { type Profile, parseProfile, profileSchema } from "./report/profile.ts";
export { openImage } from "./transport/image-file.ts";
export { connect, listen } from "./transport/open.ts";
