// The forms of Exports and Settings without a browser: what is typed, and the requests that come of it.
import { describe, expect, it } from 'vitest';
import { bodyOf, initialFields, problemsOf } from '../../page/pages/exports/export-form.ts';
import { changesOf, keepsHeaderValue, shownFields } from '../../page/pages/settings/connection-fields.ts';
import { changesOfRule, configOf, fieldsOfRule, type Rule } from '../../page/pages/settings/scoring-rule.ts';
import { typedCount, typedNumber, typedTime } from '../../page/parts/typed.ts';
import type { ExportAnswer } from '../../src/control/admin/answers/export-answers.ts';
import type { ConnectionAnswer } from '../../src/control/admin/answers/settings-answers.ts';

describe('what is typed', () => {
  it('is a time in UTC unless it names another zone', () => {
    expect(typedTime('2026-11-27')).toBe(Date.UTC(2026, 10, 27));
    expect(typedTime(' 2026-11-27 03:14:05 ')).toBe(Date.UTC(2026, 10, 27, 3, 14, 5));
    expect(typedTime('2026-11-27T03:14:05.250+02:00')).toBe(Date.UTC(2026, 10, 27, 1, 14, 5, 250));
  });

  it.each([
    '',
    '1',
    'now',
    '27 Nov 2026',
    '2026-02-30',
    '2026-13-01',
    '2026-11-27T25:00',
    '2026-11-27T03:14X',
  ])('is no time: %j', (text) => expect(typedTime(text)).toBeUndefined());

  it('is a number only if it is a decimal one', () => {
    expect(['0', '0.15', '.5', '1e-6', ' 12. '].map(typedNumber)).toEqual([0, 0.15, 0.5, 1e-6, 12]);
    expect(['', '-1', '0x10', 'Infinity', 'NaN', '1,5', '1 000'].map(typedNumber)).toEqual(
      Array.from({ length: 7 }, () => undefined),
    );
    expect([typedCount('0', 1), typedCount('1', 1), typedCount('1.5', 0)]).toEqual([undefined, 1, undefined]);
  });
});

describe('the form of an export', () => {
  const job = {
    description: 'of a client',
    format: 'csv',
    requested_data: ['id', 'cost'],
    filters: { status_code: '500', page_size: 7, time_of_generation_min: '2026-11-01T00:00:00Z' },
  } as unknown as ExportAnswer;

  it('asks for the same data as the export that it begins with', () => {
    const fields = initialFields(job, {}, Date.now());
    expect(bodyOf(fields)).toEqual({
      description: 'of a client',
      format: 'csv',
      requested_data: ['id', 'cost'],
      filters: { status_code: '500', page_size: 7, time_of_generation_min: '2026-11-01T00:00:00.000Z' },
    });
  });

  it('begins with the question of Logs', () => {
    const now = Date.UTC(2026, 10, 27, 12);
    const fields = initialFields(undefined, { q: 'a OR b', env: 'production', since: '6h' }, now);
    expect(fields).toMatchObject({
      query: 'environment:"production" (a OR b)',
      from: '2026-11-27T06:00:00Z',
      to: '',
    });
  });

  it('refuses an end that is not after the start, and a file of no records', () => {
    const fields = {
      ...initialFields(undefined, {}, Date.now()),
      from: '2026-11-27',
      to: '2026-11-26',
      limit: '0',
    };
    expect(problemsOf(fields)).toMatchObject({
      from: undefined,
      to: 'Must be after the start.',
      limit: 'Must be a whole number from 1.',
    });
  });
});

describe('the form of a connection', () => {
  const old = {
    id: 'otel_1',
    name: 'collector',
    signal: 'logs',
    endpoint_url: 'https://collector:4318/v1/logs',
    header_name: 'Authorization',
    query: 'level>=info',
    start_from: 'now',
    encoding: 'protobuf',
    compression: 'gzip',
  } as unknown as ConnectionAnswer;

  it('sends what was typed, and not what another client has changed meanwhile', () => {
    const edits = { name: ' archive ' };
    const changed = { ...old, query: 'level>=warn' };
    expect(shownFields(changed, edits).query).toBe('level>=warn');
    expect(changesOf(changed, edits)).toEqual({ name: 'archive' });
    expect(changesOf({ ...changed, name: 'archive' }, edits)).toEqual({});
    expect(changesOf(old, { header_name: '' })).toEqual({ header_name: '', header_value: '' });
  });

  it('keeps a header value for the same receiver and header only', () => {
    const keeps = (edits: object): boolean => keepsHeaderValue(old, shownFields(old, edits));
    expect(keeps({ endpoint_url: 'https://collector:4318/v1/traces' })).toBe(true);
    expect(keeps({ endpoint_url: 'https://attacker:4318/v1/logs' })).toBe(false);
    expect(keeps({ endpoint_url: 'http://collector:4318/v1/logs' })).toBe(false);
    expect(keeps({ header_name: 'X-Token' })).toBe(false);
    expect(keepsHeaderValue(undefined, shownFields(undefined, { header_name: 'X-Token' }))).toBe(false);
  });
});

describe('the form of a scoring rule', () => {
  const rule: Rule = {
    id: 'r1',
    project_id: null,
    name: 'valid JSON',
    description: '',
    config: {
      online: {
        source: 'requests',
        sampling_rate: 0.05,
        filter: 'status:2xx',
        scorers: [
          { type: 'global', name: 'ValidJSON', options: { schema: {} } },
          { type: 'global', name: 'Contains', options: { text: 'a' } },
        ],
      },
    },
  };

  it('sends what was changed: an empty filter takes the filter away', () => {
    expect(changesOfRule({}, rule)).toEqual({});
    expect(changesOfRule({ filter: '' }, rule)).toEqual({ config: { online: { filter: '' } } });
    expect(changesOfRule({ percent: '10', name: 'valid JSON' }, rule)).toEqual({
      config: { online: { sampling_rate: 0.1 } },
    });
  });

  it('keeps options that it has no field for, and can empty those that it has', () => {
    const { options } = fieldsOfRule(rule, '');
    const fields = { ...fieldsOfRule(rule, ''), options: { ...options, Contains: '' } };
    expect(configOf(fields, rule.config.online).scorers).toEqual([
      { type: 'global', name: 'ValidJSON', options: { schema: {} } },
      { type: 'global', name: 'Contains' },
    ]);
  });
});
