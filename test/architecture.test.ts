// The floors of the house: who may import whom. Fails when a line is in the wrong room.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Room → rooms it may import. Toolboxes (floors 0 and 1) may be entered by any file, others by their door alone. */
const TOOLS = [
  'core',
  'protocol/http',
  'protocol/grpc',
  'core/exchange',
  'protocol/otlp',
  'protocol/websocket',
];
const PARTS = [
  'data-plane/replicas',
  'control/child-process',
  'collectors/kubernetes',
  'async/queue',
  'collectors',
  'control/scaling',
  'collectors/replica-metrics',
  'async/webhook',
  'telemetry/logs',
  'telemetry/tracing',
];
const MAY_IMPORT: Record<string, string[]> = {
  core: [],
  'protocol/http': ['core'],
  'protocol/grpc': ['core', 'core/exchange'],
  'core/exchange': ['core'],
  'protocol/otlp': ['core'],
  'protocol/websocket': [],
  'data-plane/replicas': TOOLS,
  'control/child-process': TOOLS,
  'collectors/kubernetes': TOOLS,
  'collectors/replica-metrics': TOOLS,
  collectors: TOOLS,
  'control/scaling': [...TOOLS, 'telemetry/metrics'],
  'async/queue': TOOLS,
  'async/webhook': TOOLS,
  'telemetry/logs': TOOLS,
  'telemetry/tracing': [...TOOLS, 'telemetry/logs'],
  'data-plane/proxy': [...TOOLS, 'data-plane/replicas'],
  'telemetry/otlp-export': [...TOOLS, 'telemetry/logs', 'telemetry/tracing'],
  'telemetry/metrics': [
    ...TOOLS,
    'data-plane/replicas',
    'data-plane/proxy',
    'async/queue',
    'async/webhook',
    'collectors',
    'collectors/kubernetes',
    'collectors/replica-metrics',
    'telemetry/logs',
  ],
  'data-plane/routing': [...TOOLS, 'data-plane/proxy'],
  'data-plane/server': [...TOOLS, 'data-plane/routing', 'data-plane/proxy', 'async/queue'],
  'control/admin': [...TOOLS, ...PARTS, 'telemetry/metrics', 'telemetry/otlp-export'],
  config: ['core'],
  cli: ['core', 'protocol/http', 'config', 'app'],
  app: [
    ...TOOLS,
    ...PARTS,
    'data-plane/proxy',
    'telemetry/metrics',
    'telemetry/otlp-export',
    'data-plane/server',
    'control/admin',
    'config',
  ],
  'main.ts': ['cli'],
};

/** The one file of a room that other rooms may import. */
const DOORS: Record<string, string> = {
  'data-plane/replicas': 'data-plane/replicas/pool.ts',
  'control/child-process': 'control/child-process/child-process.ts',
  'collectors/kubernetes': 'collectors/kubernetes/kubernetes.ts',
  'async/queue': 'async/queue/queue.ts',
  collectors: 'collectors/collectors.ts',
  'control/scaling': 'control/scaling/autoscaler.ts',
  'collectors/replica-metrics': 'collectors/replica-metrics/replica-metrics.ts',
  'async/webhook': 'async/webhook/webhook.ts',
  'telemetry/logs': 'telemetry/logs/logs.ts',
  'telemetry/tracing': 'telemetry/tracing/tracing.ts',
  'data-plane/proxy': 'data-plane/proxy/proxy.ts',
  'telemetry/otlp-export': 'telemetry/otlp-export/otlp-export.ts',
  'telemetry/metrics': 'telemetry/metrics/metrics.ts',
  'data-plane/server': 'data-plane/server/data-server.ts',
  'control/admin': 'control/admin/admin.ts',
  config: 'config/config.ts',
  cli: 'cli/cli.ts',
  app: 'app/sidecar.ts',
};

interface Import {
  from: string;
  to: string;
  isType: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const source = (file: string) => readFileSync(join(SRC, file), 'utf8');
const ROOMS = Object.keys(MAY_IMPORT);
const ROOM_OF = new Map<string, string>();
/** The room with the longest name that the file's path begins with. */
const room = (file: string): string => {
  let found = ROOM_OF.get(file);
  if (found === undefined) {
    found = ROOMS.filter((name) => file === name || file.startsWith(`${name}/`)).sort(
      (a, b) => b.length - a.length,
    )[0];
    ROOM_OF.set(file, (found ??= file));
  }
  return found;
};

const imports: Import[] = files.flatMap((from) =>
  [...source(from).matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '(\.[^']+)'/gms)].map((match) => ({
    from,
    to: relative(SRC, resolve(SRC, dirname(from), match[2]!)),
    isType: match[1] !== undefined,
  })),
);

describe('the house', () => {
  it('has the rooms of the plan and no others', () => {
    expect([...new Set(files.map(room))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it('imports go down, never up or sideways', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        room(from) !== room(to) &&
        !MAY_IMPORT[room(from)]!.includes(room(to)) &&
        !(room(from) === 'config' && to.endsWith('options.ts')),
    );
    expect(wrong).toEqual([]);
  });

  it('a room is entered by its door', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        room(from) !== room(to) &&
        to.includes('/') &&
        ![...TOOLS, 'data-plane/routing'].includes(room(to)) &&
        to !== DOORS[room(to)] &&
        !(room(from) === 'config' && to.endsWith('/options.ts')) &&
        // The help of a command is made from the settings.
        !(room(from) === 'cli' && ['config/schema.ts', 'config/watch.ts'].includes(to)),
    );
    expect(wrong).toEqual([]);
  });

  it('metrics know the parts as types only', () => {
    const wrong = imports.filter(
      ({ from, to, isType }) => room(from) === 'telemetry/metrics' && PARTS.includes(room(to)) && !isType,
    );
    expect(wrong).toEqual([]);
  });

  it('each library is imported by one file', () => {
    const users = new Map<string, Set<string>>();
    for (const file of files)
      for (const [, name] of source(file).matchAll(/^import\s[^;]*?from '([^.'][^']*)'/gms))
        if (!name!.startsWith('node:')) users.set(name!, (users.get(name!) ?? new Set()).add(file));
    const shared = [...users].filter(([name, by]) => by.size > 1 && name !== 'http-proxy');
    expect(shared).toEqual([]);
  });

  it('has no barrels, no default exports and no drawers for leftovers', () => {
    for (const file of files) {
      expect(file).not.toMatch(/(^|\/)(index|utils?|helpers?|services?|types|common-utils|managers?)\.ts$/);
      expect(source(file)).not.toMatch(/^export default/m);
    }
  });

  it('takes http from the one place that does not load what comes along with it', () => {
    const takers = files.filter((file) => /^import (?!type)[^;]*from 'node:http';/m.test(source(file)));
    expect(takers).toEqual([]);
  });

  it('reads the environment in one place', () => {
    const readers = files.filter((file) => /process\.env/.test(source(file)));
    // The command hands process.env to config/sources.ts; the replica's process gets it as it is.
    const may = (file: string) =>
      ['cli', 'config'].includes(room(file)) || file === 'control/child-process/child-process.ts';
    expect(readers.every(may)).toBe(true);
  });

  it('every file opens with what it is', () => {
    for (const file of files) expect(source(file), file).toMatch(/^\/\/ \S/);
  });
});
