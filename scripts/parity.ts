// npm run parity -- <stem> [--no-recompute]: computes every `out.` key of a golden set from its weights and compares.
import { existsSync, readFileSync } from 'node:fs';
import type { GradientOptions } from '../src/train/gradients.js';
import { loadWeights } from '../src/weights/load.js';
import { comparison, type Verdict } from './parity/compare.js';
import { computeForward } from './parity/forward.js';
import { type GoldenConfig, loadGolden } from './parity/golden.js';
import { computeStages } from './parity/stages.js';
import { computeTrajectory } from './parity/trajectory.js';

/** Compares every key; prints one line each. */
export async function parity(
  stem: string,
  print: (line: string) => void,
  how: GradientOptions = { recompute: true },
): Promise<{ passed: number; failed: number }> {
  const golden = await loadGolden(
    stem,
    JSON.parse(readFileSync(`${stem}.config.json`, 'utf8')) as GoldenConfig,
  );
  const computed = new Map([
    ...computeForward(golden),
    ...computeStages(golden, how),
    ...(await computeTrajectory(golden, how)),
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
  if (existsSync(`${stem}.weights.pt`)) {
    const differing = await differingWeights(stem);
    if (differing.length === 0) passed++;
    else failed++;
    print(
      `${differing.length === 0 ? 'ok  ' : 'FAIL'} ${stem}.weights.pt  holds the same weights${differing.length === 0 ? '' : `, but for ${differing.join(', ')}`}`,
    );
  }
  return { passed, failed };
}

/** Names of weights that are not bit for bit the same in the set's two weight files. */
async function differingWeights(stem: string): Promise<string[]> {
  const [first, second] = [
    await loadWeights(`${stem}.weights.safetensors`),
    await loadWeights(`${stem}.weights.pt`),
  ];
  return [...new Set([...first.keys(), ...second.keys()])].filter((name) => {
    const [a, b] = [first.get(name), second.get(name)];
    if (a === undefined || b === undefined || a.shape.join() !== b.shape.join()) return true;
    return a.data.some((value, i) => !Object.is(value, b.data[i]));
  });
}

if (process.argv[1]?.endsWith('parity.js')) {
  const stem = process.argv[2];
  if (stem === undefined) {
    console.error('Which set? npm run parity -- <stem>, e.g. ../shared/golden/a');
    process.exitCode = 1;
  } else {
    const how = { recompute: !process.argv.includes('--no-recompute') };
    const { passed, failed } = await parity(stem, (line) => console.log(line), how);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  }
}
