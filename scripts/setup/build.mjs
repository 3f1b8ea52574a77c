import { join } from 'node:path';
import { ROOT, run, say, Trouble } from './say.mjs';

/** Compiles the sources to dist/; the compiler itself skips what has not changed. */
export async function build() {
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await run(process.execPath, [tsc, '-p', ROOT], { title: 'compiling' });
  if (code === 0) return;
  say(output);
  throw new Trouble(
    "the sources do not compile (the compiler's messages are above).",
    'mend them, or check out a clean copy.',
  );
}
