// Generates docs/reference, the Grafana dashboard and the picture of the autoscaling guide from the source.
// `--check` writes nothing: it names the files that differ and exits with 1.
// Invariant: no generated file is edited by hand, and no file of docs/reference is anything but generated.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { draw, simulate } from '../examples/autoscale.ts';
import { dashboard } from './dashboard.ts';
import { benchmarksPage } from './reference/benchmarks-page.ts';
import { cliPage } from './reference/cli-page.ts';
import { errorsPage } from './reference/errors-page.ts';
import { eventsPage } from './reference/events-page.ts';
import { filesPage } from './reference/files-page.ts';
import { httpApiPage } from './reference/http-api-page.ts';
import { metricsPage } from './reference/metrics-page.ts';
import { queryLanguagePage } from './reference/query-language-page.ts';
import { settingsPage } from './reference/settings-page.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REFERENCE = 'docs/reference/';

/** Generated files: path from the root of the repository, and what makes the text. */
const GENERATED_FILES: Readonly<Record<string, () => string | Promise<string>>> = {
  [`${REFERENCE}benchmarks.md`]: benchmarksPage,
  [`${REFERENCE}cli.md`]: cliPage,
  [`${REFERENCE}errors.md`]: errorsPage,
  [`${REFERENCE}events.md`]: eventsPage,
  [`${REFERENCE}files.md`]: filesPage,
  [`${REFERENCE}http-api.md`]: httpApiPage,
  [`${REFERENCE}metrics.md`]: metricsPage,
  [`${REFERENCE}query-language.md`]: queryLanguagePage,
  [`${REFERENCE}settings.md`]: settingsPage,
  'deploy/grafana-dashboard.json': dashboard,
  'docs/autoscale.svg': () => draw(simulate()),
};

function textOf(file: string): string | undefined {
  try {
    return readFileSync(ROOT + file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Files of docs/reference that no generator makes. */
const strays = (): string[] =>
  readdirSync(ROOT + REFERENCE)
    .map((name) => REFERENCE + name)
    .filter((file) => !(file in GENERATED_FILES));

/** Generated files whose text is not what the source says, with the text wanted; `undefined`: no such file is generated. */
export async function outdated(): Promise<Map<string, string | undefined>> {
  const found = new Map<string, string | undefined>(strays().map((file) => [file, undefined]));
  for (const [file, make] of Object.entries(GENERATED_FILES)) {
    const text = await make();
    if (textOf(file) !== text) found.set(file, text);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const isCheck = process.argv.includes('--check');
  for (const [file, text] of await outdated()) {
    if (isCheck) {
      process.stderr.write(`${file} differs from the source: run npm run docs\n`);
      process.exitCode = 1;
    } else if (text === undefined) rmSync(ROOT + file);
    else writeFileSync(ROOT + file, text);
  }
}
