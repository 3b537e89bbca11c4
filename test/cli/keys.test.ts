// Tests of weir keys against a running weir, and offline.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeReplicas, mirror, startReplica } from '../kit/replica.ts';
import { BIN, runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const start = async (...args: string[]): Promise<Weir> =>
  startWeir(['--replica', (await startReplica(mirror)).url, '--client-keys-required', ...args]);
const status = async (weir: Weir, key: string): Promise<number> =>
  (await call(weir.url, '/x', { headers: { authorization: `Bearer ${key}` } })).status;

describe('weir keys', () => {
  it('makes, lists and revokes a key', async () => {
    const weir = await start();
    const env = { WEIR_CLIENT_URL: weir.admin };
    const limits = ['--concurrency=2', '--requests-per-second=50', '--route=/x'];
    const made = await runWeir(['keys', 'create', '--name=app', '--scope=predict,wake', ...limits], env);
    expect(made.code).toBe(0);
    const key = made.out.trim();
    expect(key).toMatch(/^weir_[\w-]{43}$/);
    expect(await status(weir, key)).toBe(200);
    const id = /key_[0-9a-f]{16}/.exec(made.err)![0];
    expect((await runWeir(['keys', 'list'], env)).out).toBe(`${id}   "app"  predict,wake\n`);
    const json = (await runWeir(['keys', 'list', '-o', 'json'], env)).out;
    expect(JSON.parse(json)).toMatchObject([
      { id, routes: ['/x'], limits: { concurrency: 2, requests_per_second: 50 } },
    ]);
    expect(await runWeir(['keys', 'revoke', id], env)).toEqual({ code: 0, out: '', err: '' });
    expect(await status(weir, key)).toBe(401);
    const gone = await runWeir(['keys', 'revoke', id], env);
    expect([gone.code, gone.err]).toEqual([4, expect.stringContaining('No such record') as string]);
  });

  it('makes a key and its entry offline, for the key file', async () => {
    const { code, out } = await runWeir(['keys', 'create', '--offline', '--name=app', '--scope=predict']);
    expect(code).toBe(0);
    const [key, entry] = out.trim().split('\n') as [string, string];
    const file = join(folder(), 'keys.json');
    writeFileSync(file, `{"keys":[${entry}]}`);
    const weir = await start(`--client-keys-file=${file}`);
    expect(await status(weir, key)).toBe(200);
  });

  it('prints the digest of a key on stdin', () => {
    const { stdout } = spawnSync(BIN, ['keys', 'hash'], { input: 'my-own-key\n', encoding: 'utf8' });
    expect(stdout).toBe(`${createHash('sha256').update('my-own-key').digest('hex')}\n`);
  });

  it.each([
    [[], 2, 'give a command: create, list, revoke, hash'],
    [['crate'], 2, 'did you mean "create"?'],
    [['revoke'], 2, 'needs the id of a key'],
    [['list', 'all'], 2, 'unexpected argument "all"'],
    [['list', '--nam=x'], 2, "Unknown option '--nam'"],
    [['list', '--url=ftp://x'], 2, 'must be a URL such as'],
    [['create', '--offline', '--name=a', '--scope=root'], 2, 'scopes: must be a list of'],
    [['create', '--offline', '--name=a', '--scope=predict', '--concurrency=x'], 2, 'limits.concurrency'],
    [['list', '--url=http://127.0.0.1:1'], 1, 'cannot reach weir at http://127.0.0.1:1'],
  ])('%j fails with exit code %d and says why', async (args, code, why) => {
    const result = await runWeir(['keys', ...args]);
    expect([result.code, result.out]).toEqual([code, '']);
    expect(result.err).toContain(why);
  });

  it('says what is wrong with the key of the admin API', async () => {
    const weir = await start('--admin-key=the-key-of-the-settings');
    const without = await runWeir(['keys', 'list', `--url=${weir.admin}`]);
    expect([without.code, without.err]).toEqual([
      3,
      expect.stringContaining('give a key with the scope admin with --key or WEIR_CLIENT_KEY') as string,
    ]);
    const wrong = await runWeir(['keys', 'list', `--url=${weir.admin}`, '--key=other']);
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('check the key in --key') as string]);
    const dataPort = await runWeir(['keys', 'list', `--url=${weir.url}`, '--key=other']);
    expect(dataPort.code).toBe(3);
  });
});
