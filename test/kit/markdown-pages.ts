// The README and the pages of docs/, parsed for tests: links, headings, fenced blocks, commands.
import { globSync, readFileSync } from 'node:fs';
import { ROOT } from './weir.ts';

export interface MarkdownPage {
  /** Path from the root of the repository. */
  readonly file: string;
  readonly text: string;
}

/** A fenced block. */
export interface FencedBlock {
  readonly file: string;
  readonly language: string;
  readonly text: string;
}

const read = (file: string): MarkdownPage => ({ file, text: readFileSync(ROOT + file, 'utf8') });

/** All pages, the README first. */
export const PAGES: readonly MarkdownPage[] = [
  read('README.md'),
  ...globSync('docs/**/*.md', { cwd: ROOT }).toSorted().map(read),
];

/** The README and the guides, which are written by hand. */
export const GUIDES: readonly MarkdownPage[] = PAGES.filter(
  ({ file }) => file === 'README.md' || file.startsWith('docs/guides/'),
);

/** The fenced blocks of pages, in order. */
export const blocksOf = (pages: readonly MarkdownPage[], ...languages: readonly string[]): FencedBlock[] =>
  pages.flatMap(({ file, text }) =>
    [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
      .map(([, language, body]) => ({ file, language: language!, text: body! }))
      .filter(({ language }) => languages.includes(language)),
  );

/** The page without its fenced blocks. */
export const proseOf = ({ text }: MarkdownPage): string => text.replace(/^```[^]*?^```$/gm, '');

/** Inline code of a page, outside of fenced blocks. */
export const inlineCodeOf = (page: MarkdownPage): string[] =>
  [...proseOf(page).matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);

/** Anchors of a page as GitHub makes them from its headings. */
export function anchorsOf(page: MarkdownPage): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let copy = 1; anchors.has(anchor); copy++) anchor = `${slug}-${copy}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The commands of a shell block: without comments, each with its continuation lines. */
export function commandsOf(text: string): string[] {
  const commands: string[] = [];
  let quote = '';
  let command = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const isComment = quote === '' && char === '#' && /^$|\s/.test(text[i - 1] ?? '');
    if (isComment) i = text.indexOf('\n', i);
    if (quote === '' && text.startsWith('\\\n', i)) i++;
    else if (quote === '' && (isComment || char === '\n')) {
      if (command.trim() !== '') commands.push(command.trim());
      command = '';
    } else {
      if (quote === char) quote = '';
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      command += char;
    }
  }
  return commands;
}

/** The words of a command, as a shell splits them: quotes are removed, nothing is expanded. */
export const wordsOf = (command: string): string[] =>
  [...command.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single: string, double: string) => single ?? double),
  );
