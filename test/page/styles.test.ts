// The style sheets of the page. A sheet stays loaded when one goes on to another page, so it must not reach that.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PAGE = fileURLToPath(new URL('../../page', import.meta.url));
const SHEETS = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.css'),
);

/** Classes that begin a selector of a sheet: `lg` of `.lg > .tool`. */
function firstClasses(sheet: string): Set<string> {
  const css = readFileSync(join(PAGE, sheet), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const selectors = [...css.matchAll(/([^{}@;]+)\{/g)].flatMap(([, all]) => all!.split(/,(?![^(]*\))/));
  return new Set(selectors.flatMap((one) => /^\s*\.([\w-]+)/.exec(one)?.[1] ?? []));
}

const ofPages = SHEETS.filter((name) => name.startsWith('pages/'));

it('leave other pages and shared parts as they are', () => {
  expect(ofPages.length).toBeGreaterThan(4);
  const reaching = ofPages.flatMap((sheet) =>
    SHEETS.filter((other) => other !== sheet).flatMap((other) => {
      const theirs = firstClasses(other);
      return [...firstClasses(sheet)]
        .filter((name) => theirs.has(name))
        .map((name) => `${sheet}: .${name} of ${other}`);
    }),
  );
  expect(reaching).toEqual([]);
});
