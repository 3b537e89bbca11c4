// The quick start of the README, as a new user runs it: the commands are taken from the README itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folder, removeFolders } from '../kit/folder.ts';
import { GuideShell } from '../kit/guide-shell.ts';
import { commandsOf, GUIDES } from '../kit/markdown-pages.ts';
import { START_TIMEOUT_MS, until } from '../kit/until.ts';
import { ROOT, type Weir } from '../kit/weir.ts';

const readme = GUIDES[0]!.text;
/** The commands of the first shell block behind a text. */
const commandsBehind = (text: string): string[] =>
  commandsOf(/```sh\n([^]*?)```/.exec(readme.slice(readme.indexOf(text)))![1]!);

describe('the README', () => {
  let started: ChildProcess | undefined;
  let shell: GuideShell;
  let output = '';
  let id = '';

  beforeAll(async () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
      scripts: Record<string, string>;
    };
    started = spawn(process.execPath, [scripts['start']!.replace(/^node /, '')], {
      cwd: ROOT,
      env: { ...process.env, TOKEN_MS: '2' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('npm start says how to end it', () => output.includes('Ctrl-C ends it.'), START_TIMEOUT_MS);
    const [, port, adminPort] = /weir 127\.0\.0\.1:(\d+) .* admin: 127\.0\.0\.1:(\d+)/.exec(output)!;
    const weir = { port: Number(port), adminPort: Number(adminPort), admin: `http://127.0.0.1:${adminPort}` };
    shell = new GuideShell(weir as Weir, folder(), [['duration>200ms', 'duration>0ms']]);
  });
  afterAll(async () => {
    if (started?.exitCode === null) {
      started.kill('SIGTERM');
      await once(started, 'exit');
    }
    removeFolders();
  });

  it('begins with one command to run it and one to test it', () => {
    expect(commandsBehind('## Quick start')).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });

  it('has a request, a page of metrics and a log that work as printed', async () => {
    const [request, metrics, logs] = commandsBehind('While `npm start` runs');
    const response = await shell.run(request!);
    expect(response).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    id = /^x-baseten-request-id: (\S+)/im.exec(response!)![1]!;
    expect(await shell.run(metrics!)).toMatch(/^baseten_inference_requests_total\{.*\} 1$/m);
    await until('the request is in the log', async () =>
      (await shell.run(logs!))!.includes(`${id}) POST /production/predict 200`),
    );
  });

  it('finds a slow request as printed', async () => {
    await shell.run(`ID=${id}`);
    const [slow, , one, where] = commandsBehind('## Find one slow request');
    expect(await shell.run(slow!)).toContain(id);
    expect(await shell.run(one!)).toContain(id);
    const record = await shell.run(where!);
    for (const field of ['queue_ms', 'connected_ms', 'first_byte_ms', 'attempts', 'replica', 'cause'])
      expect(record).toContain(`"${field}"`);
  });
});
