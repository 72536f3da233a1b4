import type { MigrationCase } from "./case.ts";
import { downtimeCase } from "./downtime.ts";
import { firstIterationCases } from "./first-iteration.ts";
import { provenCase } from "./proven.ts";

/** All cases of whole migrations. */
export const MIGRATION_CASES: readonly MigrationCase[] = [
  ...firstIterationCases,
  downtimeCase,
  provenCase,
];
