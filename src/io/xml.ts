/** An element of an XML document. */
export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its own text, trimmed. */
  readonly text: string;
}

interface Open {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const MAX_DEPTH = 100;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
/** Comment, CDATA, instruction, end tag, start tag: each from its `<` to its `>`. */
const MARKUP =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<\/\s*([^\s>]+)\s*>|<([^\s/>!?]+)((?:[^>"']|"[^"]*"|'[^']*')*?)(\/?)>/y;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/**
 * Reads the plain XML that annotations and image descriptions are written in. Document types are refused, and with them
 * every entity but the five that XML defines, so no document unfolds to more than its own length.
 *
 * @throws Error with a sentence when the document is not well formed
 */
export function readXml(document: string): XmlElement {
  const top: Open = { name: '', attributes: {}, children: [], text: '' };
  const stack: Open[] = [top];
  for (let at = 0; at < document.length; ) {
    const next = document.indexOf('<', at);
    const open = stack.at(-1) as Open;
    open.text += plain(document.slice(at, next < 0 ? document.length : next));
    if (next < 0) break;
    MARKUP.lastIndex = next;
    const found = MARKUP.exec(document);
    if (found === null) throw new Error(`the markup at character ${next} is not plain XML`);
    const [whole, cdata, end, start, attributes, isEmpty] = found;
    at = next + whole.length;
    if (cdata !== undefined) open.text += cdata;
    else if (end !== undefined) {
      if (stack.length < 2 || local(end) !== open.name) throw new Error(`</${end}> closes what is not open`);
      close(stack);
    } else if (start !== undefined) {
      if (stack.length > MAX_DEPTH) throw new Error(`elements lie more than ${MAX_DEPTH} deep`);
      stack.push({ name: local(start), attributes: attributesOf(attributes ?? ''), children: [], text: '' });
      if (isEmpty === '/') close(stack);
    }
  }
  const [root] = top.children;
  if (stack.length > 1 || root === undefined || top.children.length > 1)
    throw new Error('it does not hold one whole element; is it cut short?');
  return root;
}

/** All descendants of a name. */
export function allOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...allOf(child, name),
  ]);
}

/** The text of a direct child. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

function close(stack: Open[]): void {
  const done = stack.pop() as Open;
  (stack.at(-1) as Open).children.push({ ...done, text: done.text.trim() });
}

function attributesOf(text: string): Record<string, string> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [, name = '', double, single] of text.matchAll(ATTRIBUTE))
    found[local(name)] = plain(double ?? single ?? '');
  return found;
}

const local = (name: string): string => name.slice(name.indexOf(':') + 1);

function plain(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|\w+);/gi, (whole, name: string) => {
    if (name.startsWith('#')) {
      const code =
        name[1]?.toLowerCase() === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    }
    return ENTITIES[name] ?? whole;
  });
}
