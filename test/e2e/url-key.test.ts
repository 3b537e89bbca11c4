// The key that signs URLs, in the data folder of a real weir.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { folder } from '../kit/folder.ts';
import { runWeir, startWeir, stopAll } from '../kit/weir.ts';

const REPLICA = '--replica=http://127.0.0.1:1';

afterAll(stopAll);

it('signs URLs with the same key after a restart', async () => {
  const data = folder();
  const key = () => readFileSync(join(data, 'url-key'), 'utf8');
  const start = () => startWeir([REPLICA, `--data-dir=${data}`]);
  await (await start()).stop();
  const first = key();
  expect(first).toMatch(/^[0-9a-f]{64}\n$/);
  await (await start()).stop();
  expect(key()).toBe(first);
});

it('does not start with a file that is not a key, since it would overwrite it', async () => {
  const data = folder();
  writeFileSync(join(data, 'url-key'), 'something else');
  const args = ['serve', REPLICA, '--listen=127.0.0.1:0', '--admin=127.0.0.1:0', `--data-dir=${data}`];
  const { code, err } = await runWeir(args);
  expect(code).toBe(69);
  expect(err).toContain('url-key is not a key of 64 hex digits');
  expect(readFileSync(join(data, 'url-key'), 'utf8')).toBe('something else');
});
