// Names of settings, flags, variables, metrics, events and errors in the README and the guides.
import { describe, expect, it } from 'vitest';
import { metricFamilies } from '../../src/telemetry/metrics/metrics.ts';
import { settings } from '../../src/config/schema.ts';
import { isServiceLink } from '../../src/config/service-links.ts';
import { CLIENT, OLD_CLIENT } from '../../src/config/variables.ts';
import { catalogue } from '../../src/core/errors.ts';
import { LIMIT_NAMES } from '../../src/core/keys/api-key.ts';
import { EVENTS } from '../../src/core/event-table.ts';
import { exportResult } from '../../src/telemetry/otlp-export/delivery-result.ts';
import { GUIDES, inlineCodeOf, type MarkdownPage } from '../kit/markdown-pages.ts';

const guide = (name: string): MarkdownPage => GUIDES.find(({ file }) => file === `docs/guides/${name}.md`)!;

const sections = new Set([...settings.map(({ path }) => path[0]!), 'container']);
const isSetting = (name: string): boolean => settings.some(({ key }) => `.${key}.`.includes(`.${name}.`));

describe.each(GUIDES)('$file', (page) => {
  const codes = inlineCodeOf(page);

  it('names settings that exist', () => {
    const named = codes
      .map((code) => /^[a-z_]+(?:\.[a-z_]+)+(?=:? |:?$)/.exec(code)?.[0])
      .filter((name) => name !== undefined && sections.has(name.split('.')[0]!));
    for (const name of named) expect(isSetting(name!), name).toBe(true);
  });

  it('names flags of weir that exist', () => {
    const own = ['config', 'replica', 'ready', 'schema', 'help'];
    const ofLogs = ['color', 'limit', 'key', 'url', 'request-id', 'deployment', 'min-level', 'kind', 'since'];
    const ofKeys = ['name', 'scope', 'environment', 'route', 'expires', 'offline'];
    const ofLimits = LIMIT_NAMES.map((name) => name.replaceAll('_', '-'));
    const ofStore = ['where', 'start', 'end', 'dry-run', 'urgent', 'rules'];
    const known = [
      ...settings.flatMap(({ flags }) => flags),
      ...own,
      ...ofLogs,
      ...ofKeys,
      ...ofLimits,
      ...ofStore,
    ];
    const named = codes
      .filter((code) => /^(?:--|weir )/.test(code))
      .flatMap((code) => [...code.split(' -- ')[0]!.matchAll(/(?<!\S)--([a-z][a-z-]+)/g)])
      .map(([, flag]) => flag!);
    for (const flag of named) expect(known, flag).toContain(flag);
  });

  it('names variables of weir that exist', () => {
    const known = new Set([
      ...settings.flatMap(({ variables }) => variables),
      ...Object.values(CLIENT),
      ...Object.values(OLD_CLIENT),
      'WEIR_REPLICA',
      'WEIR_CONFIG',
    ]);
    const values: Record<string, string> = { WEIR_PORT: 'tcp://10.0.0.1:80', WEIR_SERVICE_HOST: '10.0.0.1' };
    for (const [name] of page.text.matchAll(/\bWEIR_[A-Z_]+/g))
      expect(known.has(name) || isServiceLink(name, values), name).toBe(true);
  });

  it('names metrics that exist', () => {
    const names = new Set(metricFamilies.map(({ name }) => name));
    for (const [whole, name] of page.text.matchAll(
      /(?<!event:)\b((?:weir|baseten)_[a-z_]+?)(?:_bucket|_sum|_count)?\b/g,
    ))
      expect(names.has(whole) || names.has(name!), whole).toBe(true);
  });

  it('names events that exist', () => {
    for (const [, name] of page.text.matchAll(/\bevent:([a-z_]+\*?)/g)) {
      const fits = (event: string) =>
        name!.endsWith('*') ? event.startsWith(name!.slice(0, -1)) : event === name;
      expect(Object.keys(EVENTS).some(fits), name).toBe(true);
    }
  });
});

it('the guide of errors says what to do about each cause, once', () => {
  const rows = [...guide('errors').text.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) +\|/gm)];
  const causes = rows.flatMap(([, cell]) => [...cell!.matchAll(/[a-z_]+/g)].map(([cause]) => cause));
  expect(causes.toSorted()).toEqual(Object.keys(catalogue).toSorted());
});

it('the guide of the export says what happens after every status of a receiver', () => {
  const { text } = guide('otlp-export');
  const statuses = (row: RegExp) => row.exec(text)![1]!.split(', ').map(Number);
  const retried = statuses(/^\| ([\d, ]+), or not at all +\| retries/m);
  const paused = statuses(/^\| ([\d, ]+), a redirect +\| pauses/m);
  const resultOf = (status: number) =>
    exportResult({ status, headers: {}, body: Buffer.alloc(0) }, 'logs', 'json', 1, 0).kind;
  expect(retried.map(resultOf)).toEqual(retried.map(() => 'retry'));
  expect([...paused, 301, 308].map(resultOf)).toEqual([...paused, 301, 308].map(() => 'locked_out'));
  for (let status = 400; status < 600; status++)
    if (![...retried, ...paused].includes(status))
      expect(['rejected', 'too_large'], String(status)).toContain(resultOf(status));
});
