import type { ByteSource } from "../base/io.ts";
import { answerNeed } from "../codec/pull.ts";
import type { Answer, LegacyHandOver } from "../codec/steps.ts";
import type { LegacyEvent } from "./events.ts";
import { type LegacyReadOptions, readLegacy } from "./reader.ts";

/**
 * Reads a legacy stream that the codec handed over, from the source it came from: takes from it
 * what the stream has and no octet more.
 *
 * What an event refers to is valid until the next one. Closing the source is the caller's.
 *
 * @throws MigrationError as {@link readLegacy}, and TRANSPORT_* from the source.
 */
export async function* pullLegacy(
  source: ByteSource,
  { cursor, ident }: LegacyHandOver,
  options: LegacyReadOptions = {},
): AsyncGenerator<LegacyEvent, void, undefined> {
  const steps = readLegacy(cursor, ident, options);
  let answer: Answer;
  for (;;) {
    const step = steps.next(answer);
    if (step.done === true) {
      return;
    }
    answer = undefined;
    if (step.value.kind === "need") {
      answer = await answerNeed(source, step.value);
    } else {
      yield step.value;
    }
  }
}
