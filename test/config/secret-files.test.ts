// Secrets that the configuration takes from files.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { explain, load } from '../../src/config/config.ts';
import { startConnections, stopConnections } from '../kit/connections.ts';
import { folder, removeFolders } from '../kit/folder.ts';

afterAll(async () => {
  await stopConnections();
  removeFolders();
});

const path = folder();
const file = (name: string, text: string): string => {
  writeFileSync(`${path}/${name}`, text);
  return `file:${path}/${name}`;
};
const REPLICA = '--replica=http://127.0.0.1:8000';

function loaded(args: string[], env: Record<string, string> = {}) {
  const result = load([REPLICA, ...args], env);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result;
}

function problemsOf(args: string[]): readonly string[] {
  const result = load([REPLICA, ...args], {});
  return result.ok ? [] : result.problems;
}

describe('a secret', () => {
  it('is the text of a file that a flag, a variable or the configuration file names', () => {
    const key = file('key', 'a-key-of-sixteen-letters\n');
    expect(loaded([`--admin-key=${key}`]).config.admin.key).toBe('a-key-of-sixteen-letters');
    expect(loaded([], { WEIR_ADMIN_KEY: key }).config.admin.key).toBe('a-key-of-sixteen-letters');
    writeFileSync(`${path}/weir.yaml`, `admin:\n  key: ${key}\n`);
    expect(loaded([`--config=${path}/weir.yaml`]).config.admin.key).toBe('a-key-of-sixteen-letters');
  });

  it('keeps spaces and lines of its file, but not the end of the last line', () => {
    const key = file('lines', ' first line \r\nsecond line\r\n');
    expect(loaded([`--admin-key=${key}`]).config.admin.key).toBe(' first line \r\nsecond line');
  });

  it('may be one of a list, beside others', () => {
    const [a, b] = [file('a', 'secret-of-today-in-a-file'), file('b', 'secret-of-yesterday-in-a-file\n')];
    const expected = ['secret-of-today-in-a-file', 'secret-of-yesterday-in-a-file'];
    expect(loaded([`--webhook-secrets=${a},${b}`]).config.webhook.secrets).toEqual(expected);
    writeFileSync(`${path}/list.yaml`, `webhook:\n  secrets:\n    - ${a}\n    - not-in-a-file-but-here\n`);
    expect(loaded([`--config=${path}/list.yaml`]).config.webhook.secrets).toEqual([
      expected[0],
      'not-in-a-file-but-here',
    ]);
  });

  it('is hidden by weir settings, and its origin is the flag', () => {
    const { config, given } = loaded([`--admin-key=${file('shown', 'a-key-of-sixteen-letters')}`]);
    const shown = explain(config, given).find(({ key }) => key === 'admin.key');
    expect(shown).toMatchObject({ key: 'admin.key', value: '***', origin: '--admin-key' });
  });

  it('is refused with the name of its file and not with its text', () => {
    mkdirSync(`${path}/folder`);
    expect(problemsOf(['--admin-key=file:/no/such/file'])).toEqual([
      expect.stringMatching(/^--admin-key: admin\.key: the file cannot be read: .*ENOENT.*\/no\/such\/file/),
    ]);
    expect(problemsOf([`--admin-key=file:${path}/folder`])).toEqual([
      `--admin-key: admin.key: ${path}/folder is not a file of at most 64 KiB`,
    ]);
    expect(problemsOf([`--admin-key=${file('empty', '\n')}`])).toEqual([
      `--admin-key: admin.key: the file ${path}/empty is empty`,
    ]);
    expect(problemsOf([`--admin-key=${file('huge', 'x'.repeat(70_000))}`])).toEqual([
      `--admin-key: admin.key: ${path}/huge is not a file of at most 64 KiB`,
    ]);
    const short = problemsOf([`--admin-key=${file('short', 'tiny')}`]);
    expect(short).toEqual([expect.stringMatching(/^--admin-key: admin\.key must be text of at least/)]);
    expect(short[0]).not.toContain('tiny');
  });

  it('is refused if its file is a named pipe, without waiting for a writer', () => {
    execFileSync('mkfifo', [`${path}/pipe`]);
    // A process of its own, since waiting would block this one.
    const url = new URL('../../src/config/config.ts', import.meta.url).href;
    const code = `import { load } from '${url}'; console.log(load(['${REPLICA}', '--admin-key=file:${path}/pipe'], {}).problems)`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 10_000 });
    expect(said.toString()).toContain(`${path}/pipe is not a file of at most 64 KiB`);
  });

  it('is not read from a file for a client of the admin API, nor is a setting that is not a secret', async () => {
    const bench = await startConnections();
    const secret = file('other', 'what-only-weir-may-read');
    const made = await bench.connections.create({
      endpoint_url: 'http://127.0.0.1:9/v1/logs',
      header_name: 'x-key',
      header_value: secret,
    });
    expect(JSON.stringify(made)).not.toContain('what-only-weir-may-read');
    expect(loaded([`--model-name=${secret}`]).config.model.name).toBe(secret);
  });
});
