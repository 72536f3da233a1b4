#!/usr/bin/env node
import { runLegacyProcess } from "./process.ts";

process.exit(await runLegacyProcess(process.argv.slice(2)));
