// Valid and invalid lists of replicas in a configuration.
import { afterAll, describe, expect, it } from 'vitest';
import { load } from '../../src/config/config.ts';
import { folder, removeFolders } from '../kit/folder.ts';

afterAll(removeFolders);

const loaded = (...urls: string[]) =>
  load(
    urls.map((url) => `--replica=${url}`),
    {},
  );

describe('the same replica twice in one deployment', () => {
  it('is rejected with both positions', () => {
    expect(loaded('http://127.0.0.1:8000', 'http://127.0.0.1:8001', 'http://127.0.0.1:8000')).toEqual({
      ok: false,
      problems: [
        'deployments[0].replicas[2].url: http://127.0.0.1:8000 is also replicas[0].url; give each replica once',
      ],
    });
  });

  it.each([
    ['http://model:8000', 'http://model:8000/'],
    ['http://model', 'HTTP://MODEL:80/'],
    ['https://model:443', 'https://Model'],
    ['grpc://model', 'grpc://MODEL:50051'],
    ['grpcs://model', 'grpcs://model:443'],
    ['http://[::1]:8000', 'http://[0:0::1]:8000'],
    ['http://127.0.0.1:1', 'http://127.1:1'],
  ])('is rejected in any spelling: %s and %s', (one, other) => {
    expect(loaded(one, other)).toMatchObject({ ok: false, problems: [expect.stringContaining('give each')] });
  });

  it.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8001'],
    ['http://127.0.0.1:8000', 'http://localhost:8000'],
    ['http://model', 'https://model'],
  ])('is not found for the different URLs %s and %s', (one, other) => {
    expect(loaded(one, other)).toMatchObject({ ok: true });
  });

  it('is allowed in two deployments', () => {
    const at = folder({
      'weir.yaml': `deployments:
  - { id: a, replicas: [{ url: "http://127.0.0.1:1" }] }
  - { id: b, environment: staging, replicas: [{ url: "http://127.0.0.1:1" }] }
`,
    });
    expect(load(['--config', `${at}/weir.yaml`], {})).toMatchObject({ ok: true });
  });
});
