#!/usr/bin/env node
// npm run build: compiles src, test, scripts and bench to dist.
import { build } from './setup/build.mjs';
import { runScript } from './setup.mjs';

await runScript(build);
