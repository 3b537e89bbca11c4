// npm run build:page: bundles page/ into dist/page/, with compressed copies of each file. `--if-old`: only if a source is
// newer than the bundle. `--if-possible`: without Vite, a development dependency, it says so and builds nothing.
// Invariant: dist/page/ is complete or absent, and nothing in it names another origin or has a source map.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const SOURCE = path('../page');
const OUT = path('../dist/page');
const MODULES = path('../node_modules');
const ROOT = path('..');
/** Names of all sources of the bundle, below the root of the repository. */
const SOURCES = 'sources.json';
/** Folder of the bundled files, as the page's addresses have it. */
const FILES = 'a';
/** Packages that are part of the bundle, and the file of each that has its licence. */
const PACKAGES = [
  ['preact', 'LICENSE'],
  ['@preact/signals', 'LICENSE'],
  ['@preact/signals-core', 'LICENSE'],
  ['uplot', 'LICENSE'],
  ['@fontsource-variable/inter', 'LICENSE'],
  ['@fontsource-variable/jetbrains-mono', 'LICENSE'],
] as const;

/** Lets the browser load both fonts before it has read the styles. */
const preloadFonts: Plugin = {
  name: 'preload fonts',
  transformIndexHtml: {
    order: 'post',
    handler: (_html, { bundle = {} }) =>
      Object.keys(bundle)
        .filter((name) => name.endsWith('.woff2'))
        .map((name) => ({
          tag: 'link',
          attrs: { rel: 'preload', as: 'font', type: 'font/woff2', crossorigin: true, href: `/ui/${name}` },
          injectTo: 'head-prepend' as const,
        })),
  },
};

/** Writes the names of all files that the bundle was made of. */
const listSources: Plugin = {
  name: 'list sources',
  generateBundle() {
    const names = [...this.getModuleIds()]
      .map((id) => relative(ROOT, id.replace(/\?.*$/, '')))
      .filter((name) => !name.startsWith('..') && !name.startsWith('node_modules') && !name.includes('\0'));
    this.emitFile({ type: 'asset', fileName: SOURCES, source: JSON.stringify([...new Set(names)].sort()) });
  },
};

/** True if there is no bundle, or a source is newer. */
function isOld(): boolean {
  try {
    const builtMs = statSync(join(OUT, SOURCES)).mtimeMs;
    const listed = JSON.parse(readFileSync(join(OUT, SOURCES), 'utf8')) as string[];
    const inPage = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).map((name) =>
      join('page', name),
    );
    const all = new Set([...listed, ...inPage, 'scripts/build-page.ts', 'package-lock.json']);
    return [...all].some((name) => statSync(join(ROOT, name)).mtimeMs > builtMs);
  } catch (error) {
    // No bundle, or a source that was removed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/** Vite; `undefined` if it is not installed. */
async function vite(): Promise<typeof import('vite') | undefined> {
  try {
    return await import('vite');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Writes compressed copies of a file, unless they would not be smaller. */
function compress(file: string): void {
  const bytes = readFileSync(file);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  for (const [suffix, packed] of [
    ['.br', brotliCompressSync(bytes, quality)],
    ['.gz', gzipSync(bytes, { level: 9 })],
  ] as const)
    if (packed.length < bytes.length * 0.95) writeFileSync(file + suffix, packed);
}

const licences = (): string =>
  PACKAGES.map(
    ([name, file]) => `${name}\n\n${readFileSync(join(MODULES, name, file), 'utf8').trim()}\n`,
  ).join('\n----\n\n');

/** Builds the page into a folder beside `dist/page`, and then replaces that. */
async function buildPage({ build }: typeof import('vite')): Promise<void> {
  const fresh = `${OUT}.new`;
  rmSync(fresh, { recursive: true, force: true });
  await build({
    root: SOURCE,
    configFile: false,
    base: '/ui/',
    publicDir: false,
    logLevel: 'warn',
    plugins: [preloadFonts, listSources],
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: fresh,
      emptyOutDir: true,
      assetsDir: FILES,
      // Data addresses in styles would count twice: once in the file, once in memory.
      assetsInlineLimit: 0,
      target: 'es2023',
      modulePreload: { polyfill: false },
      sourcemap: false,
      manifest: 'manifest.json',
      reportCompressedSize: false,
    },
  });
  const files = readdirSync(join(fresh, FILES)).map((name) => join(fresh, FILES, name));
  for (const file of [join(fresh, 'index.html'), ...files]) if (extname(file) !== '.woff2') compress(file);
  writeFileSync(join(fresh, 'LICENSES.txt'), licences());
  mkdirSync(path('../dist'), { recursive: true });
  rmSync(OUT, { recursive: true, force: true });
  renameSync(fresh, OUT);
}

const has = (flag: string): boolean => process.argv.includes(flag);
if (!has('--if-old') || isOld()) {
  const bundler = await vite();
  if (bundler !== undefined) await buildPage(bundler);
  else if (has('--if-possible'))
    console.log(
      'The web page is not built, since Vite is not installed. npm ci with development dependencies builds it.',
    );
  else throw new Error('The web page cannot be built: Vite is not installed. Run npm ci.');
}
