// npm run parity -- <stem>: computes every `out.` key of a golden set from its weights and compares.
import { readFileSync } from 'node:fs';
import { comparison, type Verdict } from './parity/compare.js';
import { computeForward } from './parity/forward.js';
import { type GoldenConfig, loadGolden } from './parity/golden.js';
import { computeStages } from './parity/stages.js';
import { computeTrajectory } from './parity/trajectory.js';

/** Compares every key; prints one line each. */
export async function parity(
  stem: string,
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  const golden = await loadGolden(
    stem,
    JSON.parse(readFileSync(`${stem}.config.json`, 'utf8')) as GoldenConfig,
  );
  const computed = new Map([
    ...computeForward(golden),
    ...computeStages(golden),
    ...computeTrajectory(golden),
  ]);
  let passed = 0;
  let failed = 0;
  for (const [name, expected] of golden.expected) {
    if (!name.startsWith('out.')) continue;
    const verdict: Verdict = comparison(name, expected, computed.get(name), golden.config.tolerance);
    if (verdict.ok) passed++;
    else failed++;
    print(
      `${verdict.ok ? 'ok  ' : 'FAIL'} ${name}  abs ${verdict.absolute.toExponential(2)}  rel ${verdict.relative.toExponential(2)}${verdict.note}`,
    );
  }
  golden.model.dispose();
  return { passed, failed };
}

if (process.argv[1]?.endsWith('parity.js')) {
  const stem = process.argv[2];
  if (stem === undefined) {
    console.error('Which set? npm run parity -- <stem>, e.g. ../shared/golden/a');
    process.exitCode = 1;
  } else {
    const { passed, failed } = await parity(stem, (line) => console.log(line));
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  }
}
