// Comments cite files and sections that exist.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const files = ['src', 'test', 'scripts', 'bench', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  )
  .filter((file) => file.endsWith('.ts') && !file.includes('/node_modules/'));

/** A file name with a folder or without, as comments write it. Names of packages and URLs are something else. */
const CITED =
  /(?<![\w./:@*{-])((?:\.{1,2}\/)?(?:[\w-]+\/)*[\w.-]*[\w-]\.(?:ts|md|mjs|proto|sh))\b(?! ?v?\d+\.js)/g;
/** A section of a contract: `docs/contracts/serving.md 4.2`. */
const SECTION = /docs\/contracts\/([\w-]+\.md),? (\d+(?:\.\d+)?)/g;
/** Files that others keep and that comments name. */
const FOREIGN =
  /(?:^|\/)(?:(?:trace|logs|common|health)\.proto|PROTOCOL-HTTP2\.md|PROTOCOL-WEB\.md|statuscodes\.md|http-grpc-status-mapping\.md)$/;

const comments = (file: string): string[] =>
  parseSync(file, readFileSync(join(ROOT, file), 'utf8')).comments.map(({ value }) => value);

/** Names of source files are unique, so that a name alone is enough. */
const names = new Set(files.filter((file) => file.startsWith('src/')).map((file) => basename(file)));

/** Where a comment may mean a cited file to be: beside the file, or below a folder of the repository. */
const places = (file: string, cited: string): string[] =>
  [dirname(file), '.', 'src', 'test', 'docs', 'docs/contracts', ...parents(file)].map((from) =>
    join(ROOT, from, cited),
  );
const parents = (file: string): string[] => {
  const above: string[] = [];
  for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) above.push(folder);
  return above;
};

describe('comments', () => {
  it('cite files that exist', () => {
    const missing = files.flatMap((file) =>
      comments(file).flatMap((text) =>
        [...text.matchAll(CITED)]
          .map(([, cited]) => cited!)
          .filter(
            (cited) =>
              !FOREIGN.test(cited) &&
              !names.has(cited) &&
              !places(file, cited).some((path) => existsSync(path)),
          )
          .map((cited) => `${file} cites ${cited}`),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('cite sections of contracts that exist', () => {
    const missing = files.flatMap((file) =>
      comments(file).flatMap((text) =>
        [...text.replaceAll(/\n\s*(?:\*|\/\/)?\s*/g, ' ').matchAll(SECTION)]
          .filter(([, page, section]) => {
            const path = join(ROOT, 'docs/contracts', page!);
            return (
              !existsSync(path) ||
              !new RegExp(`^##+ ${section!.replace('.', '\\.')}\\.? `, 'm').test(readFileSync(path, 'utf8'))
            );
          })
          .map(([cited]) => `${file} cites ${cited}`),
      ),
    );
    expect(missing).toEqual([]);
  });
});
