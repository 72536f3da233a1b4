import { pagesContract } from "../contract/engine.ts";
import { describeEngines } from "../support/engines.ts";

describeEngines("pages", pagesContract);
