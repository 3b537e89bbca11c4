// The durability of a file matches the mode in which SQLite opens it.
import { afterAll, expect, it } from 'vitest';
import { SqliteFile } from '../../src/core/sqlite-file.ts';
import { queueOptions } from '../../src/async/queue/options.ts';
import { settingsIn } from '../../src/core/read-settings.ts';
import { folder, removeFolders } from '../kit/folder.ts';

afterAll(removeFolders);

// https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, 1 is NORMAL, 0 is OFF.
it.each([
  ['full', 2],
  ['normal', 1],
  ['off', 0],
] as const)('is opened in WAL mode, with synchronous as %s says', (sync, level) => {
  const file = new SqliteFile(`${folder()}/x.sqlite`, { sync, maxBytes: 2 ** 20 });
  expect(file.get('PRAGMA journal_mode')).toMatchObject({ journal_mode: 'wal' });
  expect(file.get('PRAGMA synchronous')).toMatchObject({ synchronous: level });
  file.close();
});

it('documents at async.fsync that a power cut may damage the file', () => {
  const fsync = settingsIn(queueOptions).find(({ path }) => path.join('.') === 'fsync');
  expect(fsync?.info.doc).toContain('a power cut may damage the file');
});
