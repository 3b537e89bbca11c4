// The table of the page's keys. It is read as text, since its file acts on the document of a browser.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SOURCE = readFileSync(fileURLToPath(new URL('../../page/keys.ts', import.meta.url)), 'utf8');

/** Rows of the table: place, id, and keys. */
const ROWS = [...SOURCE.matchAll(/^ {2}row\('(\w+)', '(\w+)', '([^']*)', (.*)\),$/gm)].map(
  ([, where, id, does, keys]) => ({
    where: where!,
    id: id!,
    does: does!,
    keys: [...keys!.matchAll(/'([^']*)'/g)].map(([, key]) => key!),
  }),
);

/** Keys that act while the part of a place is shown: its own and those of everywhere. */
const keysAt = (where: string): string[] =>
  ROWS.filter((row) => row.where === where || row.where === 'everywhere').flatMap(({ keys }) => keys);
const places = [...new Set(ROWS.map(({ where }) => where))];

it('has a row for each key', () => {
  expect(ROWS.length).toBe(SOURCE.match(/^ {2}row\(/gm)!.length);
  expect(ROWS.length).toBeGreaterThan(40);
  for (const { keys, does } of ROWS) {
    expect(keys.length, does).toBeGreaterThan(0);
    expect(does).toMatch(/^[A-Z]/);
  }
});

it('means one thing by each key of a place', () => {
  for (const where of places) {
    const keys = keysAt(where);
    expect(
      keys.filter((key, at) => keys.indexOf(key) !== at),
      where,
    ).toEqual([]);
  }
});

it('has no key of its own for the first of two that are typed one after the other', () => {
  for (const where of places) {
    const firsts = new Set(
      keysAt(where).flatMap((key) => (key.includes(' ') && key !== ' ' ? [key.split(' ')[0]] : [])),
    );
    expect(
      keysAt(where).filter((key) => firsts.has(key)),
      where,
    ).toEqual([]);
  }
});

it('has an id of its own for each row of a place', () => {
  for (const where of places) {
    const ids = ROWS.filter((row) => row.where === where).map(({ id }) => id);
    expect(new Set(ids).size, where).toBe(ids.length);
  }
});
