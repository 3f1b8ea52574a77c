import type { Random } from '../../core/random.js';

/** An outline as radius over angle, with the cell's own frame. */
export interface CellShape {
  readonly x: number;
  readonly y: number;
  /** Half axes in px and the angle of the long one. */
  readonly long: number;
  readonly short: number;
  readonly angle: number;
  /** Amplitudes and phases of the outline's waves, a few percent each. */
  readonly waves: readonly (readonly [amplitude: number, phase: number])[];
}

export interface Population {
  /** Cells for 10,000 px of field. */
  readonly density: number;
  readonly radius: readonly [number, number];
  /** Long half axis over short one. */
  readonly elongation: readonly [number, number];
  /** Share of the smaller radius by which neighbours may overlap. */
  readonly overlap: number;
  /** Share of the cells that are placed beside an earlier one. */
  readonly clustering: number;
}

/** Places cells that touch, and overlap a little, but never lie on top of each other. */
export function placeCells(side: number, population: Population, random: Random): CellShape[] {
  const wanted = Math.round((population.density * side * side) / 10_000);
  const cells: CellShape[] = [];
  for (let tries = 0; cells.length < wanted && tries < wanted * 20; tries++) {
    const cell = drawCell(side, population, cells, random);
    const fits = cells.every((other) => distanceFits(cell, other, population.overlap));
    if (fits) cells.push(cell);
  }
  return cells;
}

function drawCell(
  side: number,
  population: Population,
  earlier: readonly CellShape[],
  random: Random,
): CellShape {
  const radius = random.uniform(...population.radius);
  const elongation = random.uniform(...population.elongation);
  const angle = random.uniform(0, Math.PI);
  const [long, short] = [radius * Math.sqrt(elongation), radius / Math.sqrt(elongation)];
  const waves = Array.from(
    { length: 4 },
    (_, k) => [random.normal(0, 0.06 / (k + 1)), random.uniform(0, 2 * Math.PI)] as const,
  );
  let [x, y] = [random.uniform(0, side), random.uniform(0, side)];
  if (earlier.length > 0 && random.chance(population.clustering)) {
    const beside = random.pick(earlier);
    const direction = random.uniform(0, 2 * Math.PI);
    const gap = (radius + Math.sqrt(beside.long * beside.short)) * random.uniform(0.9, 1.1);
    [x, y] = [beside.x + gap * Math.cos(direction), beside.y + gap * Math.sin(direction)];
  }
  return { x, y, long, short, angle, waves };
}

/** Compares the distance of the centres with the reach of both cells along the line between them. */
function distanceFits(a: CellShape, b: CellShape, overlap: number): boolean {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const distance = Math.hypot(dx, dy);
  if (distance > a.long + b.long) return true;
  const direction = Math.atan2(dy, dx);
  const reach = reachOf(a, direction) + reachOf(b, direction + Math.PI);
  return distance > reach - overlap * Math.min(a.short, b.short);
}

/** Distance from centre to outline in a direction of the image. */
export function reachOf(cell: CellShape, direction: number): number {
  const t = direction - cell.angle;
  const ellipse = (cell.long * cell.short) / Math.hypot(cell.short * Math.cos(t), cell.long * Math.sin(t));
  const wobble = cell.waves.reduce(
    (sum, [amplitude, phase], k) => sum + amplitude * Math.cos((k + 2) * t + phase),
    0,
  );
  return ellipse * (1 + wobble);
}

/** Calls `paint` with every pixel inside the cell and its depth, 0 at the outline and 1 at the centre. */
export function eachPixel(
  cell: CellShape,
  side: number,
  paint: (index: number, depth: number) => void,
): void {
  const reach = Math.ceil(cell.long * 1.3) + 1;
  const [x0, x1] = [Math.max(0, Math.floor(cell.x - reach)), Math.min(side - 1, Math.ceil(cell.x + reach))];
  const [y0, y1] = [Math.max(0, Math.floor(cell.y - reach)), Math.min(side - 1, Math.ceil(cell.y + reach))];
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      const [dx, dy] = [x + 0.5 - cell.x, y + 0.5 - cell.y];
      const share = Math.hypot(dx, dy) / Math.max(0.1, reachOf(cell, Math.atan2(dy, dx)));
      if (share < 1) paint(y * side + x, 1 - share);
    }
  }
}
