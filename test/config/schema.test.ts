import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { generatedFiles } from '../../scripts/docs.js';
import { jsonSchemaOf, referenceOf } from '../../src/config/jsonSchema.js';

describe('what is generated from the schema of the configuration', () => {
  test.each(Object.entries(generatedFiles()))('%s is current; if not: npm run docs', (path, text) => {
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('says type, bounds, default and meaning of every key, and enters lists and unions', () => {
    const schema = z.strictObject({
      count: z.number().int().positive().default(3).describe('how many'),
      part: z.union([z.string(), z.strictObject({ name: z.string() })]).optional(),
      list: z.array(z.strictObject({ share: z.number().min(0).max(1) })).describe('parts | of it'),
    });
    const page = referenceOf(jsonSchemaOf(schema, 'test'));
    expect(page).toContain('| `count` | whole number above 0 | `3` | how many |');
    expect(page).toContain('| `part` | text or a section |');
    expect(page).toContain('| `list` | a list of sections, below | required | parts \\| of it |');
    expect(page).toContain('## `part`');
    expect(page).toMatch(/## `list\.\*`[\s\S]*\| `share` \| number from 0 to 1 \| required \|/);
  });

  test('every key of the configuration is described', () => {
    const page = generatedFiles()['docs/configuration.md'] ?? '';
    expect(page.split('\n').filter((line) => line.startsWith('| `') && line.endsWith('|  |'))).toEqual([]);
  });
});
