#!/usr/bin/env node
import { openXenBackend } from "../xen/backend.ts";
import { runHelperProcess } from "./process.ts";

void runHelperProcess(openXenBackend);
