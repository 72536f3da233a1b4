#!/usr/bin/env node
import { runVerifyProcess } from "./process.ts";

process.exitCode = await runVerifyProcess(process.argv.slice(2));
