import type { MigrationCase } from "./case.ts";
import { convertCase } from "./convert.ts";
import { cpuMemoryCase } from "./cpu-memory.ts";
import { downtimeCase } from "./downtime.ts";
import { firstIterationCases } from "./first-iteration.ts";
import { halfZeroCase } from "./half-zero.ts";
import { iterationCostCase } from "./iteration-cost.ts";
import { memoryCase } from "./memory.ts";
import { predictionCase } from "./prediction.ts";
import { profilingCase } from "./profiling.ts";
import { provenCase } from "./proven.ts";
import { saveRestoreCase } from "./save-restore.ts";
import { transferOptionsCases } from "./transfer-options.ts";
import { verifyCase } from "./verify.ts";

/** All cases of whole migrations. */
export const MIGRATION_CASES: readonly MigrationCase[] = [
  memoryCase,
  ...firstIterationCases,
  halfZeroCase,
  downtimeCase,
  iterationCostCase,
  cpuMemoryCase,
  saveRestoreCase,
  convertCase,
  verifyCase,
  ...transferOptionsCases,
  predictionCase,
  profilingCase,
  provenCase,
];
