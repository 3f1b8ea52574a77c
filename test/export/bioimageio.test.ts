import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { type GoldenConfig, loadGolden } from '../../scripts/parity/golden.js';
import { ExportError } from '../../src/core/errors.js';
import { sha256 } from '../../src/core/hash.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { spdx } from '../../src/export/bioimageio/description.js';
import { exportModel } from '../../src/export/exportModel.js';
import { readNpy } from '../../src/io/npy.js';

const stem = 'test/fixtures/golden/a';
const out = mkdtempSync(join(tmpdir(), 'package-'));
afterAll(() => rmSync(out, { recursive: true }));

test('a package names its files with their hashes, and its test tensors have the shapes of its axes', async () => {
  const config = JSON.parse(readFileSync(`${stem}.config.json`, 'utf8')) as GoldenConfig;
  const { model } = await loadGolden(stem, config);
  const images = [simulate({ modality: 'fluorescence', side: 80, seed: 1 }).image];
  const licence = 'CC0-1.0, drawn numbers';
  const { comparisons } = await exportModel(model, { to: ['bioimageio'], out, images, licence });
  model.dispose();
  expect(comparisons.map((c) => [c.program, c.output])).toEqual([['candidates', 'candidates']]);
  const folder = join(out, 'bioimageio');
  const rdf = parse(readFileSync(join(folder, 'rdf.yaml'), 'utf8'));
  expect([rdf.type, rdf.license, rdf.documentation.source]).toEqual(['model', 'CC0-1.0', 'README.md']);
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('## Validation');
  const files = [...[...rdf.inputs, ...rdf.outputs].map((t) => t.test_tensor), ...Object.values(rdf.weights)];
  for (const { source, sha256: hash } of files as { source: string; sha256: string }[])
    expect(sha256(readFileSync(join(folder, source)))).toBe(hash);
  for (const { axes, test_tensor: tensor } of [...rdf.inputs, ...rdf.outputs]) {
    const sizes = axes.map((axis: { type: string; size?: number; channel_names?: string[] }) =>
      axis.type === 'batch' ? 1 : (axis.size ?? axis.channel_names?.length),
    );
    expect(readNpy(readFileSync(join(folder, tensor.source)), tensor.source).shape).toEqual(sizes);
  }
}, 120_000);

test('a licence without an SPDX identifier is refused', () => {
  expect(() => spdx('its source’s')).toThrow(ExportError);
});
