import { pageHeadContract } from "../contract/engine.ts";
import { describeEngines } from "../support/engines.ts";

describeEngines("page-head", pageHeadContract);
