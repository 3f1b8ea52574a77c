import { type OverlapTable, overlapIou } from '../../image/overlap.js';

/** Row k of the overlap table, for each matched pair. */
export type Pairs = readonly number[];

/**
 * One-to-one pairs of objects with an IoU of at least `threshold`: as many as possible, and of all such pairings one
 * with the largest sum of IoU.
 *
 * From 0.5 on taking pairs by falling IoU is exact: a pair above 0.5 is the only one of both objects, and objects at
 * exactly 0.5 lie wholly inside their partner. Below, the sparse assignment decides.
 */
export function matchAtLeast(table: OverlapTable, threshold: number): Pairs {
  const iou = overlapIou(table);
  const eligible = rows(table).filter((k) => (iou[k] as number) >= threshold);
  if (threshold >= 0.5) return takeByIou(table, iou, eligible);
  const one = 1 + Math.min(table.firstAreas.length, table.secondAreas.length); // a pair outweighs any sum of IoU
  return heaviestPairs(table, eligible, (k) => one + (iou[k] as number));
}

/** One-to-one pairs that maximise the number with IoU >= 0.5 and then the sum of IoU, whatever it is (Cellpose's form). */
export function matchAll(table: OverlapTable): Pairs {
  const iou = overlapIou(table);
  const sure = matchAtLeast(table, 0.5);
  const usedFirst = new Set(sure.map((k) => table.first[k]));
  const usedSecond = new Set(sure.map((k) => table.second[k]));
  const rest = rows(table).filter((k) => !usedFirst.has(table.first[k]) && !usedSecond.has(table.second[k]));
  return [...sure, ...heaviestPairs(table, rest, (k) => iou[k] as number)];
}

function rows(table: OverlapTable): number[] {
  return Array.from({ length: table.length }, (_, k) => k);
}

function takeByIou(table: OverlapTable, iou: Float64Array, eligible: readonly number[]): Pairs {
  const usedFirst = new Set<number>();
  const usedSecond = new Set<number>();
  const falling = [...eligible].sort((a, b) => (iou[b] as number) - (iou[a] as number) || a - b);
  return falling.filter((k) => {
    const [a, b] = [table.first[k] as number, table.second[k] as number];
    if (usedFirst.has(a) || usedSecond.has(b)) return false;
    usedFirst.add(a);
    usedSecond.add(b);
    return true;
  });
}

/**
 * Pairs of largest total weight, objects may stay alone: shortest augmenting paths on the sparse graph (Jonker and
 * Volgenant's duals), each search confined to the neighbourhood that it changes.
 */
function heaviestPairs(table: OverlapTable, edges: readonly number[], weight: (k: number) => number): Pairs {
  const edgesOf = new Map<number, number[]>();
  for (const k of edges) {
    const of = edgesOf.get(table.first[k] as number);
    if (of === undefined) edgesOf.set(table.first[k] as number, [k]);
    else of.push(k);
  }
  const state: Duals = { rowDual: new Map(), columnDual: new Map(), edgeOfColumn: new Map() };
  for (const row of edgesOf.keys()) augment(table, edgesOf, weight, state, row);
  return [...state.edgeOfColumn.values()];
}

interface Duals {
  readonly rowDual: Map<number, number>;
  readonly columnDual: Map<number, number>;
  /** The table row that matches each taken column. */
  readonly edgeOfColumn: Map<number, number>;
}

/** Adds one row to the matching, along the cheapest path to a free column or to a row that is left alone (cost 0). */
function augment(
  table: OverlapTable,
  edgesOf: ReadonlyMap<number, readonly number[]>,
  weight: (k: number) => number,
  state: Duals,
  start: number,
): void {
  const { rowDual, columnDual, edgeOfColumn } = state;
  const distance = new Map<number, number>(); // to columns
  const via = new Map<number, number>(); // the edge that reaches a column
  const reached = new Map<number, number>([[start, 0]]); // rows in the tree
  const done = new Map<number, number>();
  rowDual.set(
    start,
    Math.min(
      0,
      ...(edgesOf.get(start) ?? []).map((k) => -weight(k) - (columnDual.get(table.second[k] as number) ?? 0)),
    ),
  );
  let row = start;
  let alone = { row: start, cost: -(rowDual.get(start) as number) };
  let end: number | undefined;
  let total = 0;
  for (;;) {
    for (const k of edgesOf.get(row) ?? []) {
      const column = table.second[k] as number;
      if (done.has(column)) continue;
      const cost = total - weight(k) - (rowDual.get(row) as number) - (columnDual.get(column) ?? 0);
      if (cost < (distance.get(column) ?? Number.POSITIVE_INFINITY)) {
        distance.set(column, cost);
        via.set(column, k);
      }
    }
    const next = nearestOpen(distance, done);
    if (next === undefined || next.cost >= alone.cost) {
      total = alone.cost;
      break;
    }
    total = next.cost;
    const taken = edgeOfColumn.get(next.column);
    if (taken === undefined) {
      end = next.column;
      break;
    }
    done.set(next.column, total);
    row = table.first[taken] as number;
    reached.set(row, total);
    const cost = total - (rowDual.get(row) as number);
    if (cost < alone.cost) alone = { row, cost };
  }
  for (const [r, d] of reached) rowDual.set(r, (rowDual.get(r) as number) + total - d);
  for (const [c, d] of done) columnDual.set(c, (columnDual.get(c) ?? 0) - (total - d));
  shift(table, state, via, end, end === undefined ? alone.row : undefined, start);
}

function nearestOpen(distance: ReadonlyMap<number, number>, done: ReadonlyMap<number, number>) {
  let best: { column: number; cost: number } | undefined;
  for (const [column, cost] of distance) {
    if (!done.has(column) && (best === undefined || cost < best.cost)) best = { column, cost };
  }
  return best;
}

/** Moves every pair of the path one step; `alone` loses its column, or `end` is newly taken. */
function shift(
  table: OverlapTable,
  { edgeOfColumn }: Duals,
  via: ReadonlyMap<number, number>,
  end: number | undefined,
  alone: number | undefined,
  start: number,
): void {
  const columnOf = (row: number): number | undefined => {
    for (const [column] of via) {
      const k = edgeOfColumn.get(column);
      if (k !== undefined && table.first[k] === row) return column;
    }
    return undefined;
  };
  let row = end === undefined ? (alone as number) : (table.first[via.get(end) as number] as number);
  let column = row === start ? undefined : columnOf(row);
  if (end !== undefined) edgeOfColumn.set(end, via.get(end) as number);
  else if (column !== undefined) edgeOfColumn.delete(column);
  while (row !== start && column !== undefined) {
    const edge = via.get(column) as number;
    row = table.first[edge] as number;
    const previous: number | undefined = row === start ? undefined : columnOf(row);
    edgeOfColumn.set(column, edge);
    column = previous;
  }
}
