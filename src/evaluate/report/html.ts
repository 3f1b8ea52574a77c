/** Text as it may stand in HTML, in attributes too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A table whose first column is a name and whose others are numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], caption = ''): string {
  const head = header.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('');
  const body = rows
    .map(([first = '', ...rest]) => {
      const cells = rest.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('');
      return `<tr><th scope="row">${escapeHtml(first)}</th>${cells}</tr>`;
    })
    .join('\n');
  const title = caption === '' ? '' : `<p class="caption">${escapeHtml(caption)}</p>`;
  return `${title}<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** A number for a table: three digits, or a dash where there is none. */
export function digits(value: number | null | undefined, places = 3): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(places);
}
