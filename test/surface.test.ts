// What the README says is what the source says.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { outdated } from '../scripts/docs.ts';
import { exportResult } from '../src/telemetry/otlp-export/delivery-result.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(`${root}README.md`, 'utf8');

it('generates docs/reference, the dashboard and the picture from the source (npm run docs)', () => {
  expect([...outdated().keys()]).toEqual([]);
});

it('every file that the README names is there', () => {
  for (const [, path] of readme.matchAll(
    /`((?:src|test|examples|bench|bin|deploy|scripts|proto)\/[\w./-]+)`/g,
  ))
    expect(existsSync(`${root}${path}`), path).toBe(true);
});

it('every script that the README calls is in package.json', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [, name] of readme.matchAll(/npm run (?:-s )?([\w:]+)/g)) expect(scripts).toHaveProperty(name!);
});

it('the README says what happens after every status of a receiver', () => {
  const [, again, paused] =
    /(?<again>429, [\d, ]+) and no answer are tried again\. ([\d, ]+) and\s+redirects mean a wrong key or URL: the connection is `paused`/.exec(
      readme,
    ) ?? [];
  const judged = (status: number) =>
    exportResult({ status, headers: {}, body: Buffer.alloc(0) }, 'logs', 'json', 1, 0).is;
  const statuses = (text = '') => text.split(', ').map(Number);
  expect(statuses(again).map(judged)).toEqual(statuses(again).map(() => 'again'));
  expect(statuses(paused).map(judged)).toEqual(statuses(paused).map(() => 'locked_out'));
  for (let status = 400; status < 600; status++)
    if (![...statuses(again), ...statuses(paused)].includes(status))
      expect(['refused', 'too_large'], String(status)).toContain(judged(status));
});
