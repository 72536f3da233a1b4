import { bitmapContract } from "../contract/engine.ts";
import { describeEngines } from "../support/engines.ts";

describeEngines("bitmap", bitmapContract);
