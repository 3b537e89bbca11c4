// npm run build:page: bundles page/ into dist/page/, with compressed copies of each file.
// Invariant: dist/page/ is complete or absent, and nothing in it names another origin or has a source map.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build, type Plugin } from 'vite';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const SOURCE = path('../page');
const OUT = path('../dist/page');
const MODULES = path('../node_modules');
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
async function buildPage(): Promise<void> {
  const fresh = `${OUT}.new`;
  rmSync(fresh, { recursive: true, force: true });
  await build({
    root: SOURCE,
    configFile: false,
    base: '/ui/',
    publicDir: false,
    logLevel: 'warn',
    plugins: [preloadFonts],
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

await buildPage();
