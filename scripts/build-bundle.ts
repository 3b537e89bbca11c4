// npm run build:bundle: bundles src/ with all packages that it uses into dist/weir/, or into the folder of the argument, so
// that weir starts fast and needs no node_modules/. Beside each file is its source map; THIRD-PARTY-LICENSES names the packages and has their licences.
// Invariant: the folder is complete or absent; a package with a licence that is not allowed fails the build.
import { globSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown, type OutputOptions, type Plugin } from 'rolldown';
import { LICENCES } from './check-dependencies.ts';
import { inLatin, movedMappings } from './latin-text.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = process.argv[2] ?? join(ROOT, 'dist/weir');
const FRESH = `${OUT}.new`;
/** Packages that are loaded late, each a file of its own. */
const PACKAGES = 'packages';

/** A call that loads a package when it is needed. */
const LATE = /createRequire\(import\.meta\.url\)\('([^']+)'\)/g;
/** A call that names the file of a thread or process beside its own. */
const ENTRY = /threadFile\('([\w-]+)', import\.meta\.url\)/g;

/** `protobufjs/minimal.js` is in the file `protobufjs-minimal.cjs`. */
const fileOf = (name: string): string => `${name.replace(/\.js$/, '').replaceAll(/[@/]/g, '-')}.cjs`;

/** Lets the sources load late packages from their files. The position in a line changes, the line does not. */
const loadFromFiles: Plugin = {
  name: 'load late packages from files',
  transform: {
    filter: { code: LATE },
    handler: (code) => ({
      code: code.replaceAll(
        LATE,
        (_, name: string) => `createRequire(import.meta.url)('./${PACKAGES}/${fileOf(name)}')`,
      ),
      map: null,
    }),
  },
};

/** Files of modules that are in the bundle, also of packages. */
const bundled = new Set<string>();

/** Bundles entries, by their names. What several of them use is in files that begin with `prefix`. */
async function bundle(entries: Record<string, string>, prefix: string, output: OutputOptions = {}) {
  const made = await rolldown({
    input: entries,
    cwd: ROOT,
    platform: 'node',
    tsconfig: false,
    plugins: [loadFromFiles],
    onLog(_level, { message }) {
      throw new Error(message);
    },
  });
  const { output: files } = await made.write({
    dir: FRESH,
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: `${prefix}[name].js`,
    minify: true,
    comments: false,
    sourcemap: true,
    // Maps name lines of the sources, which are not in the package.
    sourcemapExcludeSources: true,
    ...output,
  });
  await made.close();
  for (const file of files) {
    if (file.type !== 'chunk') continue;
    for (const id of file.moduleIds) bundled.add(id);
    const path = join(output.dir ?? FRESH, file.fileName);
    const code = readFileSync(path, 'utf8');
    writeFileSync(path, inLatin(code));
    // The runtime of the bundler has no map.
    if (file.sourcemapFileName === null) continue;
    const map = JSON.parse(readFileSync(`${path}.map`, 'utf8')) as { readonly mappings: string };
    writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings: movedMappings(map.mappings, code) }));
  }
}

/** All matches of a pattern in the sources: what it captures, and the file. */
const inSources = (pattern: RegExp): { readonly name: string; readonly file: string }[] =>
  globSync('src/**/*.ts', { cwd: ROOT }).flatMap((file) =>
    Array.from(readFileSync(join(ROOT, file), 'utf8').matchAll(pattern), ([, name]) => ({
      name: name!,
      file,
    })),
  );

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** Folders of the packages that are in the bundle. */
const packageFolders = (): string[] => {
  const found = Array.from(bundled, (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]);
  return [...new Set(found.filter((folder) => folder !== undefined))].sort();
};

/** Name, version and licence of a package, with the texts of its files LICENSE and NOTICE. */
function licenceOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const { name, version, license = 'none' } = manifest;
  if (!LICENCES.has(license))
    throw new Error(`${name}: the licence ${license} is not in the list of scripts/check-dependencies.ts`);
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name} ${version}`, `Licence: ${license}`, ...texts].join('\n\n');
}

async function build(): Promise<void> {
  rmSync(FRESH, { recursive: true, force: true });
  await bundle({ main: 'src/main.ts' }, '');
  const entries = inSources(ENTRY).map(
    ({ name, file }) => [name, join(dirname(file), `${name}.ts`)] as const,
  );
  const isProcess = ([name]: readonly [string, string]): boolean => name.endsWith('-process');
  const threads = entries.filter((entry) => !isProcess(entry));
  await bundle(Object.fromEntries(threads), 'threads-');
  // A process may be forbidden to read any other file.
  for (const entry of entries.filter(isProcess))
    await bundle(Object.fromEntries([entry]), '', { codeSplitting: false });
  for (const name of new Set(inSources(LATE).map(({ name }) => name)))
    await bundle({ [basename(fileOf(name), '.cjs')]: name }, '', {
      dir: join(FRESH, PACKAGES),
      format: 'cjs',
      entryFileNames: '[name].cjs',
      codeSplitting: false,
    });
  writeFileSync(
    join(FRESH, 'THIRD-PARTY-LICENSES'),
    `${packageFolders().map(licenceOf).join('\n\n----\n\n')}\n`,
  );
  rmSync(OUT, { recursive: true, force: true });
  renameSync(FRESH, OUT);
}

await build();
