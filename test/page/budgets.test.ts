// What the page may weigh, and what its files may not contain. The global setup has built it.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { ROOT } from '../kit/weir.ts';

const BUILT = join(ROOT, 'dist/page');
const KB = 1000;
/** Gzip bytes of a first load: entry and one page. */
const BUDGETS = { script: 90 * KB, style: 12 * KB, fonts: 92 * KB };

/** A chunk as Vite lists it. */
interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
  readonly css?: readonly string[];
}
const chunks = JSON.parse(readFileSync(join(BUILT, 'manifest.json'), 'utf8')) as Readonly<
  Record<string, Chunk>
>;
const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
const pages = chunks[entry]!.dynamicImports!;

/** Names of a chunk and of all chunks that it needs. */
function needed(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const one of chunks[name]!.imports ?? []) needed(one, seen);
  return seen;
}

const packed = (files: Iterable<string>): number =>
  Array.from(new Set(files), (file) => gzipSync(readFileSync(join(BUILT, file)), { level: 9 }).length).reduce(
    (sum, size) => sum + size,
    0,
  );

it.each(pages)('loads %s within the budget of scripts and styles', (page) => {
  const loaded = [...new Set([...needed(entry), ...needed(page)])].map((name) => chunks[name]!);
  expect(packed(loaded.map(({ file }) => file))).toBeLessThanOrEqual(BUDGETS.script);
  expect(packed(loaded.flatMap(({ css = [] }) => css))).toBeLessThanOrEqual(BUDGETS.style);
});

const files = readdirSync(BUILT, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.'));
const texts = files.filter((name) => /\.(?:js|css|html|svg)$/.test(name));
const textOf = (name: string): string => readFileSync(join(BUILT, name), 'utf8');

it('has fonts within their budget', () => {
  const fonts = files.filter((name) => name.endsWith('.woff2'));
  expect(fonts.length).toBeGreaterThan(0);
  const sizes = fonts.map((name) => readFileSync(join(BUILT, name)).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(BUDGETS.fonts);
});

it('has no source maps', () => {
  expect(files.filter((name) => name.endsWith('.map'))).toEqual([]);
  expect(texts.filter((name) => textOf(name).includes('sourceMappingURL'))).toEqual([]);
});

/** Names of XML vocabularies, which are never fetched, and addresses that are shown as examples (RFC 2606). */
const ALLOWED =
  /^https?:\/\/(?:www\.w3\.org\/(?:1998|1999|2000)\/|127\.0\.0\.1|localhost|collector\b|(?:[\w-]+\.)*example\b)/;

it('names no address of another origin', () => {
  const named = texts.flatMap((name) =>
    [...textOf(name).matchAll(/\bhttps?:\/\/[^\s"'`)<]+/g)].map(([address]) => `${name}: ${address}`),
  );
  expect(named.filter((one) => !ALLOWED.test(one.slice(one.indexOf(': ') + 2)))).toEqual([]);
});

it('has a compressed copy of each file that shrinks', () => {
  const shrinking = texts.filter((name) => packed([name]) < Buffer.byteLength(textOf(name)) * 0.95);
  const copies = shrinking.flatMap((name) => [`${name}.gz`, `${name}.br`]);
  expect(copies.length).toBeGreaterThan(4);
  expect(copies.filter((name) => !files.includes(name))).toEqual([]);
});

it('has no style or script in its document, which the content policy would refuse', () => {
  expect(textOf('index.html')).not.toMatch(/\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)/);
});

it('is not built again while no source is newer', () => {
  const builtMs = statSync(join(BUILT, 'index.html')).mtimeMs;
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/build-page.ts'), '--if-old']);
  expect([status, String(stderr)]).toEqual([0, '']);
  expect(statSync(join(BUILT, 'index.html')).mtimeMs).toBe(builtMs);
});
