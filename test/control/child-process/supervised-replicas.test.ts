// Tests of which replicas of the configuration `weir run` supervises.
import { describe, expect, it } from 'vitest';
import { supervised } from '../../../src/control/child-process/child-process.ts';

const deployment = (...hosts: string[]) => ({
  replicas: hosts.map((host, i) => ({ id: `r${i}`, url: { host, href: `http://${host}:${8000 + i}` } })),
});

describe('the supervised replicas', () => {
  it.each([
    ['one replica on this machine', [deployment('127.0.0.1')], 0, ['http://127.0.0.1:8000']],
    [
      'all replicas on this machine of one deployment, since a command may start several',
      [deployment('127.0.0.1', 'localhost', '::1')],
      0,
      ['http://127.0.0.1:8000', 'http://localhost:8001', 'http://::1:8002'],
    ],
    [
      'no replica on another machine if there is one on this machine',
      [deployment('10.0.0.9', '127.0.0.1')],
      0,
      ['http://127.0.0.1:8001'],
    ],
    [
      'only those of the first deployment',
      [deployment('127.0.0.1'), deployment('127.0.0.2')],
      0,
      ['http://127.0.0.1:8000'],
    ],
    [
      'those of the first deployment on this machine',
      [deployment('10.0.0.9'), deployment('127.0.0.1')],
      1,
      ['http://127.0.0.1:8000'],
    ],
    [
      'the first deployment if no replica is on this machine',
      [deployment('model', 'model2'), deployment('10.0.0.9')],
      0,
      ['http://model:8000', 'http://model2:8001'],
    ],
    ['none if nothing is configured', [], -1, []],
  ])('are %s', (_, deployments, index, urls) => {
    const found = supervised(deployments);
    expect(found.deployment).toBe(index);
    expect([...found.urls]).toEqual(urls);
  });
});
