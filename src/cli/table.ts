/** Rows of text in columns that line up. @param right indexes of columns that end, rather than begin, at a line */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = head.map((title, i) =>
    rows.reduce((w, row) => Math.max(w, row[i]?.length ?? 0), title.length),
  );
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** `12,345,678`. */
export const thousands = (n: number): string => n.toLocaleString('en-US');

/** `1.16 GB`, in powers of ten as file sizes are given. */
export function bytes(n: number): string {
  return scaled(n, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** Floating-point operations: `972 G`. */
export function flops(n: number): string {
  return scaled(n, ['', 'k', 'M', 'G', 'T']);
}

function scaled(n: number, units: readonly string[]): string {
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 ? String(value) : value.toPrecision(3);
  return `${text} ${units[unit] ?? ''}`.trim();
}
