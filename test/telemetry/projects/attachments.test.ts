// Attachments: what is stored, what is not, and what is removed.
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, it, vi } from 'vitest';
import { Attachments, type StoredAttachment } from '../../../src/telemetry/projects/projects.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { logLines } from '../../kit/log-lines.ts';

afterAll(removeFolders);

const MIB = 1024 ** 2;
const DAY = 86_400_000;

async function open(path: string | undefined, totalBytes = 10 * MIB): Promise<Attachments> {
  const attachments = new Attachments(path, { totalBytes, retentionMs: DAY }, logLines().log);
  await attachments.start();
  return attachments;
}
const inChunks = async function* inChunks(bytes: Uint8Array, size = 10_000) {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
};
const upload = (
  attachments: Attachments,
  key: string,
  bytes: Uint8Array,
  maxBytes = MIB,
  declared?: number,
) => attachments.upload(attachments.idOf(key), inChunks(bytes), maxBytes, declared);
const content = (attachments: Attachments, key: string) => buffer(attachments.read(attachments.idOf(key)));
const expectStored = (attachments: Attachments, key: string, bytes: Uint8Array) =>
  expect(content(attachments, key)).resolves.toEqual(Buffer.from(bytes));

it('are read as they were written, also after a restart', async () => {
  const path = folder();
  const bytes = randomBytes(300_000);
  const attachments = await open(path);
  const stored = (await upload(attachments, 'a', bytes)) as StoredAttachment;
  expect(stored).toMatchObject({
    bytes: 300_000,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  await expectStored(attachments, 'a', bytes);
  attachments.stop();
  const again = await open(path);
  expect(again.get(again.idOf('a'))).toEqual(stored);
  await expectStored(again, 'a', bytes);
});

it('may be empty, and may be replaced', async () => {
  const path = folder();
  const attachments = await open(path);
  await upload(attachments, 'a', Buffer.from('first'));
  await upload(attachments, 'a', Buffer.from('second'));
  await upload(attachments, 'b', Buffer.alloc(0));
  await expectStored(attachments, 'a', Buffer.from('second'));
  await expectStored(attachments, 'b', Buffer.alloc(0));
  expect(readdirSync(path)).toHaveLength(2);
});

it('are not stored if they are too large, or not as large as was declared', async () => {
  const path = folder();
  const attachments = await open(path);
  expect(await upload(attachments, 'a', Buffer.alloc(MIB + 1))).toEqual({ problem: 'too_large' });
  expect(await upload(attachments, 'b', Buffer.alloc(5), 4, 5)).toEqual({ problem: 'too_large' });
  expect(await upload(attachments, 'c', Buffer.alloc(5), 10, 6)).toEqual({ problem: 'incomplete' });
  expect(readdirSync(path)).toEqual([]);
  expect(attachments.get(attachments.idOf('a'))).toBeUndefined();
});

it('leave nothing behind when the client disconnects or weir was killed', async () => {
  const path = folder();
  writeFileSync(join(path, `${'0'.repeat(64)}-7.tmp`), 'half');
  writeFileSync(join(path, 'note.txt'), 'of an operator');
  const attachments = await open(path);
  const broken = async function* broken() {
    yield Buffer.from('half');
    throw new Error('gone');
  };
  await expect(attachments.upload(attachments.idOf('a'), broken(), MIB, undefined)).rejects.toThrow('gone');
  expect(readdirSync(path)).toEqual(['note.txt']);
});

it('leave the oldest ones behind when they become too many', async () => {
  const path = folder();
  const attachments = await open(path, 1000);
  for (const key of ['a', 'b', 'c']) await upload(attachments, key, Buffer.alloc(400));
  const isThere = (key: string) => attachments.get(attachments.idOf(key)) !== undefined;
  expect(['a', 'b', 'c'].map(isThere)).toEqual([false, true, true]);
  expect(readdirSync(path)).toHaveLength(2);
  expect(await upload(attachments, 'd', Buffer.alloc(1001))).toEqual({ problem: 'too_large' });
});

it('are removed when they are older than the logs', async () => {
  const path = folder();
  vi.useFakeTimers({ now: Date.now(), toFake: ['Date', 'setInterval'] });
  try {
    const attachments = await open(path);
    await upload(attachments, 'a', Buffer.from('old'));
    vi.setSystemTime(Date.now() + DAY - 1000);
    await upload(attachments, 'b', Buffer.from('new'));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(readdirSync(path)).toHaveLength(1));
    await expectStored(attachments, 'b', Buffer.from('new'));
    attachments.stop();
  } finally {
    vi.useRealTimers();
  }
});

it('are cut before their end when the file is damaged', async () => {
  const path = folder();
  const attachments = await open(path);
  await upload(attachments, 'a', Buffer.from('right'));
  const [name] = readdirSync(path);
  writeFileSync(join(path, name!), 'wrong');
  await expect(content(attachments, 'a')).rejects.toThrow('damaged');
  writeFileSync(join(path, name!), 'r');
  await expect(content(attachments, 'a')).rejects.toThrow('has lost 4 of its bytes');
});

it('are refused when too many arrive at once', async () => {
  const attachments = await open(folder());
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const slow = async function* slow() {
    await end;
    yield Buffer.from('x');
  };
  const uploads = Array.from({ length: 33 }, (_, i) =>
    attachments.upload(attachments.idOf(String(i)), slow(), MIB, 1),
  );
  expect(await uploads[32]).toEqual({ problem: 'busy' });
  resolve();
  expect(await Promise.all(uploads.slice(0, 32))).toHaveLength(32);
});

it('are off without a folder, or with a limit of 0', async () => {
  expect((await open(undefined)).isOn).toBe(false);
  expect((await open(folder(), 0)).isOn).toBe(false);
});
