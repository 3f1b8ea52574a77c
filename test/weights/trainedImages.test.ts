import { expect, test } from '@jest/globals';
import { sha256 } from '../../src/core/hash.js';
import {
  isTrainedOn,
  MOST,
  NO_IMAGES,
  trainedImagesFrom,
  trainedImagesText,
  withImages,
} from '../../src/weights/trainedImages.js';

test('a model tells its images by short hashes, each once, through its file', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => sha256(text)) as [string, string, string];
  const images = withImages(withImages(NO_IMAGES, [b, a, b]), [a]);
  const text = trainedImagesText(images);
  expect(text.length).toBeLessThan(2 * 16 + 60);
  const again = trainedImagesFrom(text);
  expect(again).toEqual(images);
  expect(again.count).toBe(2);
  expect([a, b, c].map(isTrainedOn(again))).toEqual([true, true, false]);
  expect(() => trainedImagesFrom(text.replace(/[0-9a-f]"}$/, '"}'))).toThrow(/cut off/);
});

test('of very many images the list stays short and the count right', () => {
  const many = Array.from({ length: MOST + 500 }, (_, i) => sha256(String(i)));
  const images = withImages(withImages(NO_IMAGES, many.slice(0, 15_000)), many);
  expect([images.hashes.length, images.count]).toEqual([MOST, MOST + 500]);
  expect(images.hashes).toEqual(
    many
      .map((hash) => hash.slice(0, 16))
      .sort()
      .slice(0, MOST),
  );
});
