/**
 * Rectangular assignment of least total cost by shortest augmenting paths (Crouse 2016): every row of the smaller side
 * gets a column of its own. Ties go to unassigned columns, without which integer costs take minutes.
 *
 * @param cost `[rows, columns]`, row-major; NaN counts as very dear
 * @returns pairs in rising order of row, `min(rows, columns)` of them
 */
export function assign(
  cost: Float32Array | Float64Array,
  rows: number,
  columns: number,
): { readonly row: Int32Array; readonly column: Int32Array } {
  if (rows <= columns) {
    const isClean = cost instanceof Float64Array && hasOnlyFinite(cost);
    const clean = isClean ? cost : arranged(cost, rows, columns, columns, 1);
    return { row: Int32Array.from({ length: rows }, (_, i) => i), column: solve(clean, rows, columns) };
  }
  const turned = arranged(cost, columns, rows, 1, columns);
  const rowOf = solve(turned, columns, rows);
  const order = Int32Array.from({ length: columns }, (_, j) => j).sort(
    (a, b) => (rowOf[a] as number) - (rowOf[b] as number),
  );
  return { row: order.map((j) => rowOf[j] as number), column: order };
}

function hasOnlyFinite(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/** A matrix of `n` rows and `m` columns, read with these strides, without NaN and infinities. */
function arranged(
  cost: Float32Array | Float64Array,
  n: number,
  m: number,
  rowStride: number,
  columnStride: number,
): Float64Array {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const value = cost[i * rowStride + j * columnStride] as number;
      out[i * m + j] = Number.isFinite(value) ? value : 1e12;
    }
  }
  return out;
}

/** The column of each row; needs `n <= m`. */
function solve(cost: Float64Array, n: number, m: number): Int32Array {
  const potentials = { u: new Float64Array(n), v: new Float64Array(m) };
  const distance = new Float64Array(m);
  const previous = new Int32Array(m);
  const open = new Int32Array(m);
  const columnOf = new Int32Array(n).fill(-1);
  const rowOf = new Int32Array(m).fill(-1);
  const seenRows = new Int32Array(n);
  const seenColumns = new Int32Array(m);
  for (let start = 0; start < n; start++) {
    for (let j = 0; j < m; j++) {
      open[j] = m - 1 - j;
      distance[j] = Number.POSITIVE_INFINITY;
    }
    let openCount = m;
    let rowCount = 0;
    let columnCount = 0;
    let row = start;
    let sink = -1;
    let least = 0;
    while (sink < 0) {
      seenRows[rowCount++] = row;
      const offset = row * m;
      const base = least - (potentials.u[row] as number);
      let low = Number.POSITIVE_INFINITY;
      let at = 0;
      for (let t = 0; t < openCount; t++) {
        const j = open[t] as number;
        const reached = base + (cost[offset + j] as number) - (potentials.v[j] as number);
        let d = distance[j] as number;
        if (reached < d) {
          previous[j] = row;
          distance[j] = d = reached;
        }
        if (d < low || (d === low && (rowOf[j] as number) < 0)) {
          low = d;
          at = t;
        }
      }
      least = low;
      const column = open[at] as number;
      open[at] = open[--openCount] as number;
      seenColumns[columnCount++] = column;
      if ((rowOf[column] as number) < 0) sink = column;
      else row = rowOf[column] as number;
    }
    potentials.u[start] = (potentials.u[start] as number) + least;
    for (let t = 1; t < rowCount; t++) {
      const i = seenRows[t] as number;
      potentials.u[i] = (potentials.u[i] as number) + least - (distance[columnOf[i] as number] as number);
    }
    for (let t = 0; t < columnCount; t++) {
      const j = seenColumns[t] as number;
      potentials.v[j] = (potentials.v[j] as number) - (least - (distance[j] as number));
    }
    for (let j = sink; ; ) {
      const i = previous[j] as number;
      rowOf[j] = i;
      const next = columnOf[i] as number;
      columnOf[i] = j;
      j = next;
      if (i === start) break;
    }
  }
  return columnOf;
}
