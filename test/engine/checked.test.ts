import { argumentsContract } from "../contract/engine.ts";
import { describeEngines } from "../support/engines.ts";

describeEngines("arguments", argumentsContract);
