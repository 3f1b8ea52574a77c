import { simulate } from '../src/data/simulate/simulate.js';
import type { PixelImage } from '../src/image/types.js';
import { loadCellSam } from '../src/segment/loadCellSam.js';

// How long the shipped model takes to load and to segment a 512 x 512 image with about 100 cells.
//   npm run bench -- shipped

const SIDE = 512;
const RUNS = 5;

/** A synthetic field of 256 px shown at twice its size, so that about a hundred nuclei fill 512 px. */
function field(seed: number): { readonly image: PixelImage; readonly cells: number } {
  const { image, objectCount } = simulate({
    modality: 'fluorescence',
    side: SIDE / 2,
    seed: `bench/${seed}`,
  });
  const data = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [(i % SIDE) >> 1, Math.floor(i / SIDE) >> 1];
    return image.data[y * (SIDE / 2) + x] as number;
  });
  return { image: { ...image, height: SIDE, width: SIDE, data }, cells: objectCount };
}

const start = performance.now();
const model = await loadCellSam();
console.log(`loading: ${((performance.now() - start) / 1000).toFixed(2)} s`);
const seconds: number[] = [];
for (let i = 0; i <= RUNS; i++) {
  const { image, cells } = field(i);
  const before = performance.now();
  const found = await model.segment(image);
  const took = (performance.now() - before) / 1000;
  if (i > 0) seconds.push(took); // the first run warms up
  const note = i === 0 ? ', first run' : '';
  console.log(`${SIDE} x ${SIDE}, ${cells} cells: ${took.toFixed(2)} s, ${found.count} found${note}`);
}
seconds.sort((a, b) => a - b);
console.log(
  `median of ${RUNS}: ${(seconds[RUNS >> 1] as number).toFixed(2)} s, slowest ${(seconds[RUNS - 1] as number).toFixed(2)} s`,
);
model.dispose();
