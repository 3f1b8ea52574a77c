/**
 * Rows of a CSV text: commas, semicolons or tabs, whichever the first line has most of; quoted fields may hold them, line
 * ends and doubled quotes. Empty lines are left out, a byte order mark too.
 *
 * @throws Error when a quoted field has no end
 */
export function readCsv(document: string): string[][] {
  const text = document.replace(/^\uFEFF/, '');
  const first = text.slice(0, Math.max(0, text.search(/[\r\n]|$/)));
  const counts = [',', ';', '\t'].map((mark) => first.split(mark).length);
  const mark = [',', ';', '\t'][counts.indexOf(Math.max(...counts))] as string;
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        const end = text.indexOf('"', at);
        if (end < 0) throw new Error(`a quoted field in line ${rows.length + 1} has no end`);
        field += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        field += '"';
      }
    }
    const end = at;
    while (at < text.length && text[at] !== mark && text[at] !== '\n' && text[at] !== '\r') at++;
    row.push(field + text.slice(end, at).trim());
    if (text[at] === mark) {
      at++;
      if (at < text.length && text[at] !== '\n' && text[at] !== '\r') continue;
      row.push('');
    }
    while (text[at] === '\n' || text[at] === '\r') at++;
    if (row.some((value) => value !== '')) rows.push(row);
    row = [];
  }
  return rows;
}
