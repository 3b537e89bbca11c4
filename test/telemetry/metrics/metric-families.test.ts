// The list of all metric families, which the metrics page, the docs and the dashboard are made from.
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { metricFamilies, type Family } from '../../../src/telemetry/metrics/metrics.ts';

const FOLDER = new URL('../../../src/telemetry/metrics/families/', import.meta.url);

describe('metricFamilies', () => {
  it.each(readdirSync(FOLDER))('contains the families of families/%s', async (file) => {
    const exported = Object.values((await import(new URL(file, FOLDER).href)) as Record<string, Family[]>);
    expect(exported).toHaveLength(1);
    expect(exported[0]!.length).toBeGreaterThan(0);
    for (const family of exported[0]!) expect(metricFamilies).toContain(family);
  });

  it('has each name once', () => {
    const names = metricFamilies.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  it.each(metricFamilies)('has a name and a help text of the usual form: $name', ({ name, type, help }) => {
    expect(name).toMatch(/^(?:baseten|weir)_[a-z0-9_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(help).toMatch(/^[A-Z0-9].*\.$/);
  });
});
