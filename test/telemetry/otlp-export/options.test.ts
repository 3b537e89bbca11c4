// Destinations of the settings, and the environment variables that set them.
import { describe, expect, it } from 'vitest';
import { explain, load } from '../../../src/config/config.ts';
import { configuredDestinations } from '../../../src/telemetry/otlp-export/configured-destinations.ts';
import { withoutSecrets } from '../../../src/telemetry/otlp-export/destination.ts';
import { write, folder, removeFolders } from '../../kit/folder.ts';

const loaded = (env: Record<string, string>, ...args: string[]) =>
  load(['--replica', 'http://127.0.0.1:8000', ...args], env);
function settingsOf(env: Record<string, string>, ...args: string[]) {
  const result = loaded(env, ...args);
  if (!result.ok) throw new Error(result.problems.join('; '));
  return result;
}
const tracesOf = (env: Record<string, string>, ...args: string[]) => {
  const [destination] = configuredDestinations(settingsOf(env, ...args).config.export);
  return destination && [destination.endpoint_url, destination.headers];
};
const HONEYCOMB = { HONEYCOMB_API_KEY: 'the-team-key', HONEYCOMB_DATASET: 'weir' };
const OTEL = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otlp.example.com/custom' };

describe('export.traces_endpoint', () => {
  it('is empty by default', () => {
    expect(tracesOf({})).toBeUndefined();
    expect(tracesOf({ HONEYCOMB_API_KEY: 'alone' })).toBeUndefined();
    expect(tracesOf({ HONEYCOMB_DATASET: 'alone' })).toBeUndefined();
  });

  it('is set to Honeycomb by HONEYCOMB_API_KEY and HONEYCOMB_DATASET', () => {
    expect(tracesOf(HONEYCOMB)).toEqual([
      'https://api.honeycomb.io/v1/traces',
      { 'x-honeycomb-team': 'the-team-key', 'x-honeycomb-dataset': 'weir' },
    ]);
  });

  it('is set by OTEL_EXPORTER_OTLP_ENDPOINT, with nothing appended', () => {
    expect(tracesOf({ ...HONEYCOMB, ...OTEL })).toEqual(['https://otlp.example.com/custom', {}]);
  });

  it('takes weir’s own settings first, without the Honeycomb key', () => {
    const file = `${folder()}/weir.yaml`;
    write(file.replace('/weir.yaml', ''), {
      'weir.yaml': 'export:\n  traces_endpoint: https://mine.example.com/t\n',
    });
    const mine = ['https://mine.example.com/t', {}];
    expect(tracesOf({ ...HONEYCOMB, ...OTEL }, '--config', file)).toEqual(mine);
    const env = { ...HONEYCOMB, ...OTEL, WEIR_EXPORT_TRACES_ENDPOINT: 'https://mine.example.com/t' };
    expect(tracesOf(env)).toEqual(mine);
    expect(tracesOf({ ...HONEYCOMB }, '--export-traces-endpoint=https://mine.example.com/t')).toEqual(mine);
    removeFolders();
  });

  it('names the environment variable in an error', () => {
    const result = loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' });
    expect(result.ok ? [] : result.problems).toEqual([
      'OTEL_EXPORTER_OTLP_ENDPOINT: export.traces_endpoint is "collector:4318", must be a URL such as https://otlp.example.com/v1/traces',
    ]);
  });
});

it('hides keys in all settings that are shown', () => {
  const env = {
    ...HONEYCOMB,
    WEIR_EXPORT_ENDPOINT: 'https://logs.example.com/v1/logs',
    WEIR_EXPORT_HEADER_VALUE: 'Bearer the-log-key',
    WEIR_EXPORT_ENCRYPTION_KEY: 'the-encryption-key',
  };
  const { config, given } = settingsOf(env);
  const shown = explain(config, given).filter(({ key }) => key.startsWith('export.'));
  expect(shown).toContainEqual(
    expect.objectContaining({ key: 'export.traces_headers', value: '***', origin: 'HONEYCOMB_API_KEY' }),
  );
  const told = JSON.stringify([shown, configuredDestinations(config.export).map(withoutSecrets)]);
  expect(told).not.toMatch(/the-(team|log|encryption)-key/);
  expect(configuredDestinations(config.export)[0]).toMatchObject({
    endpoint_url: 'https://logs.example.com/v1/logs',
    header_name: 'Authorization',
    header_value: 'Bearer the-log-key',
  });
});
