// The layers of the source, and the rules on names and sizes that docs/ARCHITECTURE.md states.
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  declaredExports,
  importsOf,
  parseSource,
  sourceFiles,
  sourceText,
  type Import,
} from './kit/source.ts';

/** From the entry point down: a folder imports from folders of lower layers only. */
const LAYERS = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['config'],
  ['control'],
  ['telemetry'],
  ['data-plane'],
  ['collectors', 'async'],
  ['protocol'],
  ['core'],
];

/** Modules inside a folder, and which of their neighbours each may import. A file belongs to the longest name that fits. */
const MODULES: Record<string, string[]> = {
  'main.ts': [],
  cli: [],
  app: [],
  config: [],
  'control/admin': ['control/scaling', 'control/page', 'control/admin/overview'],
  'control/admin/overview': ['control/scaling'],
  'control/page': [],
  'control/scaling': [],
  'control/child-process': [],
  'telemetry/llm': [],
  'telemetry/logs': [],
  'telemetry/projects': [],
  'telemetry/tracing': ['telemetry/logs'],
  'telemetry/metrics': ['telemetry/logs'],
  'telemetry/exports': ['telemetry/logs'],
  'telemetry/btql': ['telemetry/llm', 'telemetry/logs', 'telemetry/tracing'],
  'telemetry/series': ['telemetry/logs'],
  'telemetry/otlp-export': ['telemetry/logs', 'telemetry/tracing'],
  'telemetry/scoring': ['telemetry/logs', 'telemetry/tracing', 'telemetry/btql', 'telemetry/llm'],
  'data-plane/server': ['data-plane/routing', 'data-plane/proxy'],
  'data-plane/routing': ['data-plane/proxy'],
  'data-plane/proxy': ['data-plane/replicas'],
  'data-plane/replicas': [],
  collectors: [],
  'collectors/kubernetes': [],
  'collectors/replica-metrics': [],
  'async/queue': [],
  'async/webhook': [],
  'protocol/http': [],
  'protocol/http2': ['protocol/http'],
  'protocol/grpc': ['protocol/http2'],
  'protocol/llm': ['protocol/http'],
  'protocol/otlp': [],
  'protocol/websocket': [],
  core: [],
  'core/exchange': ['core'],
  'core/keys': ['core'],
};

/** The one file of a module that other modules import. Modules without a row are libraries: any file may be imported. */
const ENTRY: Record<string, string> = {
  cli: 'cli/cli.ts',
  app: 'app/sidecar.ts',
  config: 'config/config.ts',
  'control/admin': 'control/admin/admin.ts',
  'control/page': 'control/page/web-page.ts',
  'control/scaling': 'control/scaling/autoscaler.ts',
  'control/child-process': 'control/child-process/child-process.ts',
  'telemetry/llm': 'telemetry/llm/prices.ts',
  'telemetry/logs': 'telemetry/logs/logs.ts',
  'telemetry/projects': 'telemetry/projects/projects.ts',
  'telemetry/tracing': 'telemetry/tracing/tracing.ts',
  'telemetry/metrics': 'telemetry/metrics/metrics.ts',
  'telemetry/exports': 'telemetry/exports/exports.ts',
  'telemetry/btql': 'telemetry/btql/btql.ts',
  'telemetry/series': 'telemetry/series/series.ts',
  'telemetry/otlp-export': 'telemetry/otlp-export/otlp-export.ts',
  'telemetry/scoring': 'telemetry/scoring/scoring.ts',
  'data-plane/server': 'data-plane/server/data-server.ts',
  'data-plane/proxy': 'data-plane/proxy/proxy.ts',
  'data-plane/replicas': 'data-plane/replicas/pool.ts',
  collectors: 'collectors/collectors.ts',
  'collectors/kubernetes': 'collectors/kubernetes/kubernetes.ts',
  'collectors/replica-metrics': 'collectors/replica-metrics/replica-metrics.ts',
  'async/queue': 'async/queue/queue.ts',
  'async/webhook': 'async/webhook/webhook.ts',
};

/** What data threads other than the main thread load of a module whose entry needs much more memory. */
const THREAD_ENTRIES = new Set([
  'telemetry/llm/request-prices.ts',
  'telemetry/logs/recording.ts',
  'telemetry/metrics/thread-counters.ts',
  'telemetry/tracing/request-sampling.ts',
]);

const MAX_LINES = 400;
const MAX_MEDIAN_LINES = 110;

const startsWith = (file: string, module: string): boolean =>
  file === module || file.startsWith(`${module}/`);
const moduleOf = (file: string): string =>
  Object.keys(MODULES)
    .filter((module) => startsWith(file, module))
    .reduce((longest, module) => (module.length > longest.length ? module : longest), '');
const folderOf = (file: string): string => file.split('/')[0]!;
const layerOf = (file: string): number => LAYERS.findIndex((folders) => folders.includes(folderOf(file)));

const all: Import[] = sourceFiles.flatMap(importsOf);
const imports = all.filter(({ isPackage }) => !isPackage);
/** Imports from one module to another. */
const across = imports.filter(({ from, to }) => moduleOf(from) !== moduleOf(to));
/** config/ reads the settings of each module where they are declared. */
const readsSettings = ({ from, to }: Import): boolean =>
  folderOf(from) === 'config' && to.endsWith('/options.ts');
/** app/threads/ runs in threads that load only what they need. */
const isOfThread = ({ from, to }: Import): boolean =>
  (from.startsWith('app/threads/') || from === 'app/request-records.ts') && THREAD_ENTRIES.has(to);
const shown = ({ from, to }: Import): string => `${from} imports ${to}`;

describe('the layers', () => {
  it('hold every file of the source', () => {
    expect(sourceFiles.filter((file) => layerOf(file) === -1 || moduleOf(file) === '')).toEqual([]);
  });

  it('are imported downwards only', () => {
    const wrong = across.filter(
      ({ from, to }) =>
        layerOf(to) < layerOf(from) || (layerOf(to) === layerOf(from) && folderOf(from) !== folderOf(to)),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  it('keep neighbours apart that need not know each other', () => {
    const wrong = across.filter(
      ({ from, to }) => folderOf(from) === folderOf(to) && !MODULES[moduleOf(from)]!.includes(moduleOf(to)),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  it('are entered by the one file that each module offers', () => {
    const wrong = across.filter((one) => {
      const entry = ENTRY[moduleOf(one.to)];
      return (
        entry !== undefined && one.to !== entry && !readsSettings(one) && !isHelp(one) && !isOfThread(one)
      );
    });
    expect(wrong.map(shown)).toEqual([]);
  });

  it('let config read settings and nothing else of other modules', () => {
    const wrong = across.filter(
      (one) => folderOf(one.from) === 'config' && folderOf(one.to) !== 'core' && !readsSettings(one),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  it('let metrics know the types of other modules only', () => {
    const wrong = across.filter(
      (one) =>
        moduleOf(one.from) === 'telemetry/metrics' &&
        !['core', 'protocol'].includes(folderOf(one.to)) &&
        !one.isType,
    );
    expect(wrong.map(shown)).toEqual([]);
  });
});

/** The help of a command is made from the settings. */
function isHelp({ from, to }: Import): boolean {
  return folderOf(from) === 'cli' && ['config/schema.ts', 'config/watch.ts'].includes(to);
}

describe('names', () => {
  it('of exported types are used once in the whole source', () => {
    const declared = new Map<string, string[]>();
    for (const file of sourceFiles)
      for (const { name } of declaredExports(file))
        if (/^[A-Z]\w*[a-z]/.test(name)) declared.set(name, [...(declared.get(name) ?? []), file]);
    expect([...declared].filter(([, by]) => by.length > 1)).toEqual([]);
  });

  it('of files are used once, but where the folder says what its files are', () => {
    const named = new Map<string, string[]>();
    for (const file of sourceFiles) {
      if (basename(file) === 'options.ts' || /\/(families|routes|commands)\//.test(file)) continue;
      named.set(basename(file), [...(named.get(basename(file)) ?? []), file]);
    }
    expect([...named.values()].filter((files) => files.length > 1)).toEqual([]);
  });

  it('of files say what is inside: no index, no utils, no helpers', () => {
    const vague = /(^|\/)(index|utils?|helpers?|services?|types|common|managers?)\.ts$/;
    expect(sourceFiles.filter((file) => vague.test(file))).toEqual([]);
  });
});

describe('files', () => {
  const lines = (file: string): number => sourceText(file).split('\n').length - 1;

  it('open with a line that says what they are', () => {
    for (const file of sourceFiles) expect(sourceText(file), file).toMatch(/^\/\/ \S/);
  });

  it('have no default export', () => {
    const exporting = sourceFiles.filter((file) =>
      parseSource(file).program.body.some(({ type }) => type === 'ExportDefaultDeclaration'),
    );
    expect(exporting).toEqual([]);
  });

  it('are short', () => {
    const long = sourceFiles.filter((file) => lines(file) > MAX_LINES);
    expect(long.map((file) => `${file}: ${lines(file)} lines`)).toEqual([]);
    const sorted = sourceFiles.map(lines).sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(MAX_MEDIAN_LINES);
  });

  it('share no library: one file imports it', () => {
    const users = new Map<string, Set<string>>();
    for (const { from, to, isPackage } of all)
      if (isPackage && !to.startsWith('node:')) users.set(to, (users.get(to) ?? new Set()).add(from));
    expect([...users].filter(([, by]) => by.size > 1).map(([name, by]) => [name, ...by])).toEqual([]);
  });

  it('take Node’s HTTP modules from the file that loads the least of them', () => {
    const direct = all.filter(({ to, isType }) => ['node:http', 'node:http2'].includes(to) && !isType);
    expect(direct.map(shown)).toEqual([]);
  });

  it('leave the environment to the command line', () => {
    const readers = sourceFiles.filter((file) => /process\.env/.test(sourceText(file)));
    // The supervised process inherits the environment as it is.
    const may = (file: string): boolean =>
      ['cli', 'config'].includes(folderOf(file)) || file === 'control/child-process/child-process.ts';
    expect(readers.filter((file) => !may(file))).toEqual([]);
  });
});
