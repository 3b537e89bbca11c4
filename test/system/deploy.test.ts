// The files in deploy/ match the metrics and settings of this weir, and the programs that read them accept them.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { dashboard } from '../../scripts/dashboard.ts';
import { metricFamilies } from '../../src/telemetry/metrics/metrics.ts';
import { load } from '../../src/config/config.ts';
import { readTrigger } from '../../src/control/scaling/scaled-object.ts';
import type { ScaleReading } from '../../src/control/scaling/autoscaler.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { isMissing } from '../kit/program.ts';
import { ROOT } from '../kit/weir.ts';

const DEPLOY = `${ROOT}deploy/`;
const files = readdirSync(DEPLOY);
const textOf = (file: string) => readFileSync(`${DEPLOY}${file}`, 'utf8');

/** Every series name of weir's page, including those of histograms. */
const known = new Set(
  metricFamilies.flatMap(({ name, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
  ),
);

interface Container {
  readonly name: string;
  readonly ports?: { readonly name: string; readonly containerPort: number }[];
  readonly args?: string[];
}
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly template?: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: { enableServiceLinks?: boolean; initContainers?: Container[]; containers: Container[] };
    };
    readonly selector?: Record<string, string>;
    readonly ports?: { readonly port: number; readonly targetPort: number | string }[];
    readonly triggers?: { type: string; metadata: Record<string, string> }[];
  };
}

const manifests = files
  .filter((file) => file.endsWith('.yaml') && !/^(?:rules|rules\.test|prometheus)\.yaml$/.test(file))
  .flatMap((file) =>
    parseAllDocuments(textOf(file)).map((document) => ({
      file,
      errors: document.errors,
      manifest: document.toJS() as Manifest,
    })),
  );

describe('deploy/', () => {
  it.each(files)('%s uses only metrics that weir has', (file) => {
    const names = [...textOf(file).matchAll(/(?<![\w:])(?:baseten|weir)_[a-z0-9_]+(?!:)/g)].map(
      ([name]) => name,
    );
    expect(
      names.filter((name) => !known.has(name) && !metricFamilies.some((family) => family.name === name)),
    ).toEqual([]);
  });

  it('has manifests with kind and name', () => {
    expect(manifests.map(({ manifest }) => manifest.kind)).toContain('ScaledObject');
    for (const { file, errors, manifest } of manifests) {
      expect(errors, file).toEqual([]);
      for (const text of [manifest.apiVersion, manifest.kind, manifest.metadata.name])
        expect(text, file).toMatch(/\S/);
    }
  });

  it('uses only settings that weir has', () => {
    const started = manifests.flatMap(({ manifest: { spec } }) => {
      const pod = spec?.template?.spec;
      return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])].filter(
        ({ name }) => name === 'weir',
      );
    });
    expect(started).toHaveLength(2);
    for (const { args } of started) {
      expect(args![0]).toBe('serve');
      expect(load(args!.slice(1), {})).toMatchObject({ ok: true });
    }
  });

  it('sets no Service variables in pods of weir', () => {
    const pods = manifests.flatMap(({ manifest: { spec } }) => spec?.template?.spec ?? []);
    expect(pods).toHaveLength(2);
    for (const pod of pods) expect(pod.enableServiceLinks).toBe(false);
  });

  it('has Services with existing ports, by number if a native sidecar has them', () => {
    const pods = manifests.flatMap(({ manifest: { spec } }) => spec?.template ?? []);
    const services = manifests.filter(({ manifest: { kind } }) => kind === 'Service');
    expect(services).toHaveLength(2);
    for (const { manifest } of services) {
      const { selector, ports } = manifest.spec!;
      const pod = pods.find(({ metadata: { labels } }) =>
        Object.entries(selector!).every(([label, value]) => labels[label] === value),
      )!;
      const { containers, initContainers = [] } = pod.spec;
      // Before Kubernetes 1.33 a named port is looked for in ordinary containers alone.
      const there = [
        ...containers.flatMap((container) => container.ports?.map(({ name }) => name) ?? []),
        ...[...containers, ...initContainers].flatMap(
          (container) => container.ports?.map(({ containerPort }) => containerPort) ?? [],
        ),
      ];
      for (const { targetPort } of ports!) expect(there).toContain(targetPort);
    }
  });

  it.each(['rules.yaml', 'keda-prometheus.yaml', 'hpa-prometheus-adapter.yaml', 'grafana-dashboard.json'])(
    '%s names no label that the family does not have',
    (file) => {
      // What the scrape adds, and a histogram has.
      const added = ['job', 'instance', 'namespace', 'pod', 'weir', 'le'];
      const text = textOf(file).replaceAll('\\"', '"');
      const selectors = [
        ...text.matchAll(/(?<![\w:])((?:baseten|weir)_\w+?)(?:_bucket|_sum|_count)?\{([^{}]*)\}/g),
      ];
      expect(selectors.length).toBeGreaterThan(0);
      for (const [whole, name, matchers] of selectors) {
        const family = metricFamilies.find((one) => one.name === name);
        expect(family, whole).toBeDefined();
        for (const [, label] of matchers!.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
          expect([...family!.labels, ...added], whole).toContain(label);
      }
    },
  );

  it('has a trigger that weir understands', () => {
    const reading = { id: 'dep1', desired: 3 } as ScaleReading;
    const triggers = manifests.flatMap(({ manifest }) => manifest.spec?.triggers ?? []);
    const external = triggers.filter(({ type }) => type === 'external-push');
    expect(external).toHaveLength(1);
    expect(readTrigger(external[0]!.metadata, [reading])).toMatchObject({ value: 3, target: 1 });
  });

  it('has a dashboard with every family (npm run docs writes it)', () => {
    const text = textOf('grafana-dashboard.json');
    expect(text).toBe(dashboard());
    expect(() => JSON.parse(text) as unknown).not.toThrow();
    for (const { name } of metricFamilies) expect(text).toMatch(new RegExp(`\\b${name}(?:_bucket)?\\b`));
    // With equal ids, Grafana would draw one panel over another.
    const ids = [...text.matchAll(/"id": (\d+)/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

const expectPromtoolAccepts = (cwd: string, ...args: string[]) => {
  const { stdout, stderr, status } = spawnSync('promtool', args, { cwd, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
};

describe.skipIf(isMissing('promtool'))('promtool', () => {
  afterAll(removeFolders);

  it('accepts the rules, and their tests pass', () => {
    expectPromtoolAccepts(DEPLOY, 'check', 'rules', 'rules.yaml');
    expectPromtoolAccepts(DEPLOY, 'test', 'rules', 'rules.test.yaml');
  });

  it('accepts the scrape configuration', () => {
    // Debian's Prometheus is built without Kubernetes' service discovery: this one line it cannot judge.
    const config = textOf('prometheus.yaml').replace(
      /kubernetes_sd_configs: .*/,
      'static_configs: [{ targets: [a:1] }]',
    );
    const there = folder({ 'rules.yaml': textOf('rules.yaml'), 'prometheus.yaml': config });
    expectPromtoolAccepts(there, 'check', 'config', 'prometheus.yaml');
  });

  it('parses every expression of the dashboard', () => {
    const exprs = [...textOf('grafana-dashboard.json').matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(
      ([, text]) => (JSON.parse(text!) as string).replaceAll('$__rate_interval', '5m'),
    );
    expect(exprs.length).toBeGreaterThan(40);
    const rules = exprs.map((expr, i) => ({ record: `checked:${i}`, expr }));
    const there = folder({ 'dashboard.json': JSON.stringify({ groups: [{ name: 'dashboard', rules }] }) });
    expectPromtoolAccepts(there, 'check', 'rules', 'dashboard.json');
  });
});
