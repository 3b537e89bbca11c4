// Parts of a Markdown page.

/** A table cell: a bar is escaped once, a line break becomes a space. */
const cell = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('\\\\|', '\\|').replaceAll('\n', ' ');

/** A table with a header row. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** Text as inline code; empty text stays empty. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

/** A fenced block. */
export const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

/** Joins the parts of a page with an empty line between them. */
export const page = (...parts: readonly string[]): string => `${parts.join('\n\n')}\n`;

/** The note at the top of each generated page. */
export const GENERATED =
  '<!-- Generated from the source by `npm run docs`. Edit the source, not this file. -->';
