// Tests of when keys were last used.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { KeyLastUses } from '../../../src/core/keys/key-last-uses.ts';
import { KeyStore } from '../../../src/core/keys/key-store.ts';
import { Logger, type LineSink } from '../../../src/core/logger.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterEach(removeFolders);

const NOON = Date.UTC(2026, 10, 28, 12);
const lines: string[] = [];
const sink = { write: (line: string) => void lines.push(line) } as unknown as LineSink;
const log = new Logger(sink, { level: 'debug', isText: false });

async function open(path: string): Promise<{ keys: KeyStore; stop: () => Promise<void> }> {
  const keys = new KeyStore(join(path, 'keys.json'), 'the-key-of-the-settings');
  keys.start();
  const uses = new KeyLastUses(join(path, 'key-last-uses.json'), keys, log);
  await uses.start();
  return { keys, stop: () => uses.stop() };
}

const make = async (keys: KeyStore) => {
  const made = await keys.create({ name: 'app', scopes: ['logs:read'] }, NOON, 'ops');
  if (typeof made === 'string') throw new Error(made);
  return made;
};

describe('the last use of a key', () => {
  it('is shown with the key and kept over a restart', async () => {
    const path = folder();
    const first = await open(path);
    const made = await make(first.keys);
    expect(first.keys.list()[0]).toMatchObject({ last_used_at: null, made_by: 'ops' });
    first.keys.find(made.key, NOON + 1000);
    expect(first.keys.list()[0]!.last_used_at).toBe('2026-11-28T12:00:01.000Z');
    await first.stop();
    const second = await open(path);
    expect(second.keys.list()[0]).toMatchObject({
      last_used_at: '2026-11-28T12:00:01.000Z',
      made_by: 'ops',
    });
    await second.stop();
  });

  it('is not that of a refused use after its end', async () => {
    const { keys, stop } = await open(folder());
    const made = await keys.create({ name: 'app', scopes: ['logs:read'], expiresMs: NOON + 10 }, NOON);
    if (typeof made === 'string') throw new Error(made);
    keys.find(made.key, NOON + 5);
    expect(keys.find(made.key, NOON + 20)).toBe('expired');
    expect(keys.list()[0]!.last_used_at).toBe('2026-11-28T12:00:00.005Z');
    await stop();
  });

  it('is forgotten with the key', async () => {
    const path = folder();
    const { keys, stop } = await open(path);
    const made = await make(keys);
    keys.find(made.key, NOON);
    await keys.remove(made.object.id);
    await stop();
    expect(existsSync(join(path, 'key-last-uses.json'))).toBe(false);
  });

  it('is not known if its file is damaged, and weir says so', async () => {
    const path = folder();
    writeFileSync(join(path, 'key-last-uses.json'), '{"key_1":');
    const { keys, stop } = await open(path);
    await make(keys);
    expect(keys.list()[0]!.last_used_at).toBeNull();
    expect(lines.at(-1)).toContain('not JSON; renamed to');
    await stop();
  });

  it('is written without the key itself', async () => {
    const path = folder();
    const { keys, stop } = await open(path);
    const made = await make(keys);
    keys.find(made.key, NOON);
    await stop();
    const text = readFileSync(join(path, 'key-last-uses.json'), 'utf8');
    expect(JSON.parse(text)).toEqual({ [made.object.id]: '2026-11-28T12:00:00.000Z' });
  });
});
