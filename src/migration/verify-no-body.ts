import type { BodyClause } from "./verify-clauses.ts";

/** A signal has no body; Xen takes one all the same. */
export const noBody: BodyClause = ({ body }, _guest, tell) => {
  if (body.length !== 0) {
    tell("RECORD_LENGTH", "violated", { bodyBytes: body.length, bodyBytesExpected: 0 });
  }
};
