import { expect, test } from '@jest/globals';
import { areasOf } from '../../src/image/labels.js';
import { clean, removeBoundaries } from '../../src/segment/clean.js';
import { MaskCanvas } from '../../src/segment/merge.js';
import { boxThreshold, twoMeans } from '../../src/segment/thresholds.js';
import { Upscaler } from '../../src/segment/upscale.js';
import { readGolden } from '../support/safetensors.js';
import { describeWithShared } from '../support/shared.js';

describeWithShared('the golden post-processing', 'golden/preprocess.safetensors', (path) => {
  const golden = path === '' ? () => ({ shape: [], data: [] as number[] }) : readGolden(path);
  const pair = (key: string): [number, number] => {
    const [a = 0, b = 0] = golden(key).data;
    return [a, b];
  };
  const geometry = () => ({
    side: 32,
    frame: pair('post.merge.frame'),
    input: pair('post.merge.input_size'),
    original: pair('post.merge.original_size'),
  });
  const lowRes = (i: number) =>
    Float32Array.from(golden('post.merge.low_res').data.slice(i * 1024, (i + 1) * 1024));

  test('logits are resized to 1e-4 of the largest', () => {
    const expected = golden('post.merge.logits').data;
    const largest = Math.max(...expected.map(Math.abs));
    const upscaler = new Upscaler(geometry());
    const n = 96 * 78;
    for (let m = 0; m < 9; m++) {
      const found = upscaler.full(lowRes(m));
      let worst = 0;
      for (let i = 0; i < n; i++)
        worst = Math.max(worst, Math.abs((found[i] as number) - (expected[m * n + i] as number)));
      expect(worst).toBeLessThan(1e-5 * largest);
    }
  });

  test('kept masks, binary masks and merged labels are equal', () => {
    const [maskThreshold = 0, iouThreshold = 0, boxLimit = 0] = golden('post.merge.thresholds').data;
    const iou = golden('post.merge.iou').data;
    const scores = golden('post.merge.box_scores').data;
    const keep = iou.map((q, i) => ((scores[i] as number) > boxLimit && q >= iouThreshold ? 1 : 0));
    expect(keep).toEqual(golden('post.merge.keep').data);
    const canvas = new MaskCanvas(geometry(), maskThreshold);
    const binary: number[] = [];
    for (const [i, kept] of keep.entries()) {
      if (kept === 0) continue;
      canvas.add(lowRes(i), iou[i] as number);
      const alone = new MaskCanvas(geometry(), maskThreshold);
      alone.add(lowRes(i), 1);
      binary.push(...alone.labels().data);
    }
    expect(binary).toEqual(golden('post.merge.binary').data);
    expect([...canvas.labels().data]).toEqual(golden('post.merge.labels').data);
  });

  test('cleaning, boundaries and areas are equal', () => {
    const { data, shape } = golden('post.clean.input');
    const [height = 0, width = 0] = shape;
    const input = { height, width, data: Uint32Array.from(data), count: Math.max(...data) };
    const { labels } = clean(input, golden('post.clean.min_size').data[0] as number);
    expect([...labels.data]).toEqual(golden('post.clean.labels').data);
    expect([...removeBoundaries(labels, 'published').data]).toEqual(golden('post.clean.boundaries').data);
    const areas = areasOf(labels);
    expect([...areas]).toEqual(golden('post.size.areas').data);
    const median = [...areas].sort((a, b) => a - b)[4] as number;
    expect(median / (height * width)).toBeCloseTo(golden('post.size.median_share').data[0] as number, 12);
  });

  test.each(['equal', 'long_tail', 'single', 'three', 'two', 'two_groups', 'unequal'])(
    'the dynamic threshold of `%s`',
    (name) => {
      const scores = golden(`post.kmeans.${name}.scores`).data;
      const set = {
        box: golden(`post.kmeans.${name}.box_threshold`).data[0] as number,
        boxShare: 0.66,
        meanShare: 0.33,
        iou: 0.5,
        mask: 0.4,
      };
      const found = boxThreshold(scores, set);
      expect(Math.abs(found - (golden(`post.kmeans.${name}.threshold`).data[0] as number))).toBeLessThan(
        1e-5,
      );
      expect(scores.filter((s) => s > found).length).toBe(golden(`post.kmeans.${name}.kept`).data[0]);
    },
  );

  test('two means are the exact optimum where the published run stops early', () => {
    const found = twoMeans(golden('post.kmeans_differs.scores').data);
    const [low = 0, high = 0] = golden('post.kmeans_differs.centers_exact').data;
    expect(found[0]).toBeCloseTo(low, 5);
    expect(found[1]).toBeCloseTo(high, 5);
  });
});
