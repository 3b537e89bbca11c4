// Files that are replaced as a whole.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readJsonFile, writeAtomic } from '../../src/core/atomic-file.ts';
import { folder as tempFolder, removeFolders } from '../kit/folder.ts';

afterEach(removeFolders);

const unexpected = (path: string): never => {
  throw new Error(`${path} is not damaged`);
};

describe('writeAtomic', () => {
  it('creates missing folders and a file that only its owner may read', async () => {
    const folder = tempFolder();
    const file = join(folder, 'a/b/file.json');
    await writeAtomic(file, '{"n": 1}');
    expect(readFileSync(file, 'utf8')).toBe('{"n": 1}');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700);
  });

  it('replaces the text of a file and leaves no temporary file', async () => {
    const folder = tempFolder();
    const file = join(folder, 'file.json');
    await writeAtomic(file, 'a longer text');
    await writeAtomic(file, 'short');
    expect(readFileSync(file, 'utf8')).toBe('short');
    expect(readdirSync(folder)).toEqual(['file.json']);
  });

  it('leaves no temporary file if it fails', async () => {
    const folder = tempFolder();
    await writeAtomic(join(folder, 'taken/file.json'), '1');
    await expect(writeAtomic(join(folder, 'taken'), '2')).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(folder)).toEqual(['taken']);
  });
});

describe('readJsonFile', () => {
  it('reads what was written', async () => {
    const file = join(tempFolder(), 'file.json');
    await writeAtomic(file, '{"n": 1}');
    expect(await readJsonFile(file, unexpected)).toEqual({ n: 1 });
  });

  it('is undefined if there is no file', async () => {
    const folder = tempFolder();
    expect(await readJsonFile(join(folder, 'none.json'), unexpected)).toBeUndefined();
    writeFileSync(join(folder, 'file'), '');
    expect(await readJsonFile(join(folder, 'file/none.json'), unexpected)).toBeUndefined();
  });

  it('renames a file that is not JSON', async () => {
    const folder = tempFolder();
    const file = join(folder, 'file.json');
    writeFileSync(file, '{"n": ');
    const renamed: string[] = [];
    expect(await readJsonFile(file, (path) => void renamed.push(path))).toBeUndefined();
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual(renamed);
    expect(readFileSync(renamed[0]!, 'utf8')).toBe('{"n": ');
  });
});
