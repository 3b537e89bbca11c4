// Links, files and scripts that the README and docs/ name.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, blocksOf, GUIDES, inlineCodeOf, PAGES, proseOf } from '../kit/markdown-pages.ts';
import { ROOT } from '../kit/weir.ts';

const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};

describe.each(PAGES)('$file', (page) => {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, to]) => to!)
    .filter((to) => !/^(?:https?|mailto):/.test(to));

  it('links to files and headings that exist', () => {
    for (const to of links) {
      const [path, anchor] = to.split('#') as [string, string?];
      const file = path === '' ? page.file : normalize(join(dirname(page.file), path));
      expect(existsSync(ROOT + file), `${to}: no such file`).toBe(true);
      if (anchor === undefined) continue;
      const target = PAGES.find((one) => one.file === file);
      expect(target && [...anchorsOf(target)], `${to}: no such heading`).toContain(anchor);
    }
  });

  it('names files that exist', () => {
    const folders = 'src|test|examples|bench|bin|deploy|scripts|proto|docs';
    const named = [...page.text.matchAll(new RegExp(`(?<![\\w./-])(?:${folders})/[\\w./-]*\\w`, 'g'))].map(
      ([path]) => path,
    );
    for (const path of named) expect(existsSync(ROOT + path), path).toBe(true);
  });

  it('calls npm scripts that exist', () => {
    for (const [, name] of page.text.matchAll(/npm run (?:-s )?([a-z][\w:]*)/g))
      expect(Object.keys(scripts), name).toContain(name);
  });
});

describe('the README', () => {
  const readme = GUIDES[0]!;

  it('has at most 200 lines', () => {
    expect(readme.text.split('\n').length).toBeLessThanOrEqual(200);
  });

  it('links to every guide and every page of the reference', () => {
    const pages = PAGES.map(({ file }) => file).filter((file) => /^docs\/(?:guides|reference)\//.test(file));
    expect(pages.filter((file) => !readme.text.includes(`](${file})`))).toEqual([]);
  });
});

describe('the guides', () => {
  it.each(GUIDES.slice(1))('$file names no source file', (page) => {
    for (const text of [...inlineCodeOf(page), ...blocksOf([page], 'sh', 'yaml').map((one) => one.text)])
      expect(text).not.toMatch(/\bsrc\/|\.ts\b/);
  });

  it.each(GUIDES.slice(1))('$file has an example, says what to watch, and links further', ({ text }) => {
    expect(text).toMatch(/^```/m);
    expect(text).toMatch(/^\*\*Watch it:\*\*/m);
    expect(text).toMatch(/^\*\*See also:\*\*/m);
  });
});
