// URLs that are used without a key: signed, checked, expired.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UrlSigner } from '../../src/core/url-signer.ts';

const NOW_MS = 1_700_000_000_000;
const FILE = { method: 'GET', path: '/v1/files/1' };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-signer-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a signed URL', () => {
  it('can be used until it expires', () => {
    const signer = new UrlSigner();
    const query = new URLSearchParams(signer.sign(FILE, NOW_MS + 1000, { name: 'a b' }));
    expect(query.get('name')).toBe('a b');
    expect(signer.check(FILE, query, NOW_MS)).toBeUndefined();
    expect(signer.check(FILE, query, NOW_MS + 1000)).toBeUndefined();
    expect(signer.check(FILE, query, NOW_MS + 1001)).toBe('expired');
  });

  it.each([
    ['another path', { ...FILE, path: '/v1/files/2' }, (query: URLSearchParams) => query],
    ['another method', { ...FILE, method: 'PUT' }, (query: URLSearchParams) => query],
    ['a later expiry', FILE, (query: URLSearchParams) => (query.set('expires', '9999999999'), query)],
    ['a changed parameter', FILE, (query: URLSearchParams) => (query.set('name', 'c'), query)],
    ['a further parameter', FILE, (query: URLSearchParams) => (query.append('name', 'c'), query)],
    ['a shorter signature', FILE, (query: URLSearchParams) => (query.set('signature', 'AAAA'), query)],
    ['an empty signature', FILE, (query: URLSearchParams) => (query.set('signature', ''), query)],
  ])('is not valid with %s', (_, request, change) => {
    const signer = new UrlSigner();
    const query = change(new URLSearchParams(signer.sign(FILE, NOW_MS + 1000, { name: 'a' })));
    expect(signer.check(request, query, NOW_MS)).toBe('wrong');
  });

  it.each(['signature', 'expires'])('is not valid without %s', (name) => {
    const signer = new UrlSigner();
    const query = new URLSearchParams(signer.sign(FILE, NOW_MS + 1000));
    query.delete(name);
    expect(signer.check(FILE, query, NOW_MS)).toBe('missing');
  });

  it('is valid after a restart with the same data folder, and not with another key', async () => {
    const before = new UrlSigner();
    await before.load(folder);
    const query = new URLSearchParams(before.sign(FILE, NOW_MS + 1000));
    const after = new UrlSigner();
    await after.load(folder);
    expect(after.check(FILE, query, NOW_MS)).toBeUndefined();
    expect(new UrlSigner().check(FILE, query, NOW_MS)).toBe('wrong');
    expect(statSync(join(folder, 'url-key')).mode & 0o777).toBe(0o600);
  });

  it('needs a key file that has a key', async () => {
    writeFileSync(join(folder, 'url-key'), 'secret\n');
    await expect(new UrlSigner().load(folder)).rejects.toThrow(/is not a key of 64 hex digits/);
  });
});
