// What a tree of JSON shows of a value, and the path of a value in it.
// Invariant: pure; a preview never walks through more than a few members.

/** A step of a path: a name, or an index of a list. */
export type JsonStep = string | number;

/** A path as queries and programs write it: `messages[0].content`, `a["b c"]`. */
export const jsonPath = (steps: readonly JsonStep[]): string =>
  steps
    .map((step, i) =>
      typeof step === 'number'
        ? `[${step}]`
        : /^[A-Za-z_$][\w$-]*$/.test(step)
          ? `${i === 0 ? '' : '.'}${step}`
          : `[${JSON.stringify(step)}]`,
    )
    .join('');

const PREVIEW_MEMBERS = 4;
const PREVIEW_TEXT = 40;

/** A value on one short line: `{role: "user", content: "How much…", 2 more}`. */
export function jsonPreview(value: unknown): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const shown = value.slice(0, PREVIEW_MEMBERS).map(scalarPreview);
    return `[${[...shown, ...more(value.length)].join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const shown: string[] = [];
    let n = 0;
    for (const name in value)
      if (n++ < PREVIEW_MEMBERS)
        shown.push(`${name}: ${scalarPreview((value as Record<string, unknown>)[name])}`);
    return n === 0 ? '{}' : `{${[...shown, ...more(n)].join(', ')}}`;
  }
  return scalarPreview(value);
}

const more = (n: number): string[] => (n > PREVIEW_MEMBERS ? [`${n - PREVIEW_MEMBERS} more`] : []);

function scalarPreview(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(
      value.length > PREVIEW_TEXT ? `${value.slice(0, PREVIEW_TEXT).toWellFormed()}…` : value,
    );
  if (Array.isArray(value)) return value.length === 0 ? '[]' : '[…]';
  if (typeof value === 'object' && value !== null) return '{…}';
  return String(value);
}

/** The object or list that a text is the JSON of; `undefined` for other texts. */
export function innerJson(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text) || !/[\]}]\s*$/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    // A text that only looks like JSON is shown as the text that it is.
    return undefined;
  }
}
