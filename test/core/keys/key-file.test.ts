// Tests of the key file of the operator, and of a store with many keys.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf, newSecret } from '../../../src/core/keys/api-key.ts';
import { readKeyFile } from '../../../src/core/keys/key-file.ts';
import { KeyStore, type KeyObject } from '../../../src/core/keys/key-store.ts';
import { cpuMs } from '../../kit/cpu-time.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterEach(removeFolders);

const sha256 = digestOf('one');
const fileOf = (value: unknown): string => {
  const file = join(folder(), 'keys.json');
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
};

describe('the key file', () => {
  it.each([
    ['{', 'is not valid JSON'],
    [[], 'must have a list "keys"'],
    [{ keys: [{ name: 'a', scopes: ['predict'] }] }, 'keys[0]: sha256: must be 64 hex digits'],
    [{ keys: [{ name: 'a', scopes: ['predict'], sha256: 'abc' }] }, 'weir keys hash prints them'],
    [{ keys: [{ name: 'a', scopes: ['admin'], sha256 }] }, 'may only be those of the data server'],
    [{ keys: [{ name: 'a', scopes: ['predict', 'admin'], sha256 }] }, 'may only be those of the data server'],
    [{ keys: [{ name: 'a', scopes: [], sha256 }] }, 'scopes: must be a list of'],
    [{ keys: [{ name: 'a', scopes: ['predict'], sha256, deployment: 'a' }] }, 'did you mean "deployments"?'],
    [
      {
        keys: [
          { name: 'a', scopes: ['predict'], sha256 },
          { name: 'b', scopes: ['predict'], sha256: sha256.toUpperCase() },
        ],
      },
      'keys[1]: has the same sha256 as keys[0]',
    ],
  ])('%j is refused with its place', (value, why) => {
    const read = readKeyFile(fileOf(value));
    expect('problem' in read && read.problem).toContain(why);
  });

  it('that is missing is refused', () => {
    const read = readKeyFile('/nowhere/keys.json');
    expect('problem' in read && read.problem).toContain('cannot be read: ENOENT');
  });

  it('may have keys that have expired, which open nothing', () => {
    const entry = { name: 'a', scopes: ['predict'], sha256, expires_at: '2020-01-01' };
    const store = new KeyStore(join(folder(), 'none.json'), '', fileOf({ keys: [entry] }));
    store.start();
    expect(store.find('one', Date.now())).toBe('expired');
  });

  it('is not changed by the admin API', async () => {
    const entry = { name: 'a', scopes: ['predict'], sha256 };
    const store = new KeyStore(join(folder(), 'none.json'), '', fileOf({ keys: [entry] }));
    store.start();
    const [{ id, source }] = store.list() as [KeyObject];
    expect(source).toBe('file');
    expect(await store.remove(id)).toContain('remove it there');
    expect(await store.remove('key_none')).toBeUndefined();
  });
});

it('finds a key among ten thousand by one look-up', () => {
  const secrets = Array.from({ length: 10_000 }, newSecret);
  const keys = secrets.map((secret, i) => ({ name: `k${i}`, scopes: ['predict'], sha256: digestOf(secret) }));
  const store = new KeyStore(join(folder(), 'none.json'), '', fileOf({ keys }));
  store.start();
  for (const i of [0, 1, 5000, 9999])
    expect(store.find(secrets[i]!, Date.now())).toMatchObject({ name: `k${i}` });
  const forged = Array.from({ length: 10_000 }, newSecret);
  expect(forged.map((one) => store.find(one, Date.now())).filter(Boolean)).toEqual([]);
  expect(store.find('x'.repeat(1_000_000), Date.now())).toBeUndefined();
  expect(store.find('', Date.now())).toBeUndefined();
  // A search through all keys would take more than a second for as many.
  const before = cpuMs();
  for (const one of forged) store.find(one, 0);
  expect(cpuMs() - before).toBeLessThan(1000);
});
