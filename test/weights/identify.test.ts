import { describe, expect, test } from '@jest/globals';
import { type ArrayInfo, sourceOf } from '../../src/core/arrays.js';
import { fileNames, weightSpecs } from '../../src/models/cellsamSpecs.js';
import type { ModelConfig } from '../../src/models/options.js';
import { preset } from '../../src/models/presets.js';
import { identify } from '../../src/weights/identify.js';
import type { WeightsFile } from '../../src/weights/load.js';

/** A file of a model with these names, of which only names and shapes are asked for. */
function fileOf(config: ModelConfig, rename: (name: string) => string | undefined): WeightsFile {
  const entries = new Map<string, ArrayInfo>();
  for (const [name, { shape }] of fileNames(config)) {
    const own = rename(name);
    if (own !== undefined) entries.set(own, { shape, dtype: 'float32', stored: 'float32' });
  }
  const { read } = sourceOf(new Map());
  const close = async () => undefined;
  return { path: 'x.pt', kind: 'safetensors', bytes: 0, metadata: {}, entries, read, close };
}

describe('what a weight file is', () => {
  test.each(['vit_b', 'vit_l', 'vit_h', 'cellsam'])(
    'the sizes of %s give its whole configuration',
    (name) => {
      const { kind, config, assumed } = identify(fileOf(preset(name), (n) => n));
      expect({ kind, config, assumed }).toEqual({ kind: 'cellsam', config: preset(name), assumed: [] });
    },
  );

  test("SAM's own names get the prefix, also behind the one of parallel training", () => {
    const bare = (name: string) => /^model\.(.*)/.exec(name)?.[1];
    const wrapped = (name: string) => (bare(name) === undefined ? undefined : `module.${bare(name)}`);
    for (const rename of [bare, wrapped]) {
      const { kind, config, source, expected } = identify(fileOf(preset('vit_b'), rename));
      expect({ kind, config }).toEqual({ kind: 'sam', config: preset('vit_b') });
      expect([...source.entries.keys()].sort()).toEqual([...expected.keys()].sort());
      expect(expected.size).toBe(314);
    }
  });

  test('the third SAM of the released checkpoint is spare, other names are not', () => {
    const config = preset('cellsam');
    const file = fileOf(config, (n) => n);
    const entries = new Map(file.entries);
    for (const [name, info] of file.entries)
      if (name.startsWith('model_cp.')) entries.set(name.replace('model_cp.', 'model.'), info);
    expect(entries.size).toBe(1041);
    entries.set('model.else', { shape: [1], dtype: 'float32', stored: 'float32' });
    const { spare } = identify({ ...file, entries });
    expect(spare).toHaveLength(314);
    expect(spare).not.toContain('model.else');
  });

  test('what sizes cannot tell is named', () => {
    const config = preset('vit_b');
    const other = { ...config, vit: { ...config.vit, depth: 3, globalAttnIndexes: [2] } };
    expect(identify(fileOf(other, (n) => n)).assumed.join()).toContain('maskDecoder.numHeads 8');
    expect([...weightSpecs(identify(fileOf(other, (n) => n)).config)]).toEqual([...weightSpecs(other)]);
  });

  test('weights of another model are refused with the names that would do', () => {
    const file = fileOf(preset('vit_b'), (n) => `backbone.${n}`);
    expect(() => identify(file)).toThrow(/none that CellSAM is made of; the first is `backbone\./);
  });
});
