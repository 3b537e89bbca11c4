// Examples in the README and the guides, checked without starting anything.
import { spawnSync } from 'node:child_process';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { SYNTAX } from '../../scripts/reference/query-language-page.ts';
import { readArguments } from '../../src/cli/logs/flags.ts';
import { load } from '../../src/config/config.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { blocksOf, commandsOf, GUIDES, inlineCodeOf, wordsOf } from '../kit/markdown-pages.ts';
import { isMissing } from '../kit/program.ts';

afterAll(removeFolders);

const titled = ({ file, text }: { file: string; text: string }): [title: string, text: string] => [
  `${file}: ${text.split('\n')[0]}`,
  text,
];

describe('YAML', () => {
  const blocks = blocksOf(GUIDES, 'yaml');
  const isConfiguration = ({ text }: { text: string }) => text.startsWith('# weir.yaml\n');

  it.each(blocks.map(titled))('%s: parses', (_, text) => {
    expect(text).toMatch(/^# (?:weir\.yaml|prometheus\.yml|Kubernetes|KEDA)\n/);
    for (const document of parseAllDocuments(text)) expect(document.errors).toEqual([]);
  });

  it.each(blocks.filter(isConfiguration).map(titled))('%s: is a configuration of weir', (_, text) => {
    const file = join(folder({ 'weir.yaml': text }), 'weir.yaml');
    expect(load(['--config', file], {})).toMatchObject({ ok: true, notices: [] });
  });
});

/** Every command of the shell blocks, and inline code that is a command of weir. */
const commands = [
  ...blocksOf(GUIDES, 'sh').flatMap(({ file, text }) =>
    commandsOf(text).map((command) => [file, command] as const),
  ),
  ...GUIDES.flatMap((page) => inlineCodeOf(page).map((command) => [page.file, command] as const)),
];
const ofWeir = commands.flatMap(([file, command]) => {
  const words = wordsOf(command.replace(/ > \S+$/, ''));
  const at = words.findIndex((word) => word === 'weir' || word === 'bin/weir');
  return at === -1 || (at > 0 && words[0] !== 'docker') || words.length === at + 2
    ? []
    : [{ file, command, args: words.slice(at + 1) }];
});

describe('commands', () => {
  it.each(ofWeir.filter(({ args }) => ['serve', 'run', 'check', 'settings'].includes(args[0]!)))(
    '$file: $command',
    ({ args: [name, ...args] }) => {
      const yaml = 'deployments: [{ id: a, replicas: [{ url: "http://127.0.0.1:8000" }] }]';
      const own = args.map((arg) => (arg === 'weir.yaml' ? join(folder({ 'weir.yaml': yaml }), arg) : arg));
      // It prints the schema and reads no configuration.
      if (own.includes('--schema')) return expect([name, ...own]).toEqual(['settings', '--schema']);
      const end = own.indexOf('--');
      if (name === 'run') expect(own.slice(end + 1)).not.toEqual([]);
      // The guide's file is named by `--config`; a command without one names its replicas.
      expect(load(end === -1 ? own : own.slice(0, end), {}, { replica: 'optional' })).toMatchObject({
        ok: true,
      });
    },
  );

  it.each(ofWeir.filter(({ args }) => args[0] === 'logs'))('$file: $command', ({ args: [, ...args] }) => {
    expect(readArguments(args, {}, Date.now())).toHaveProperty('filters');
  });
});

describe('queries', () => {
  const ofCommands = ofWeir.flatMap(({ file, args }) =>
    args.flatMap((arg, i) => (args[i - 1] === '-q' ? [[file, arg] as const] : [])),
  );
  const ofUrls = commands.flatMap(([file, command]) =>
    wordsOf(command).flatMap((word) => (word.startsWith('q=') ? [[file, word.slice(2)] as const] : [])),
  );
  const ofBlocks = blocksOf(GUIDES, 'query').flatMap(({ file, text }) =>
    text
      .trim()
      .split('\n')
      .map((line) => [file, line] as const),
  );
  const ofReference = SYNTAX.map(([syntax]) => ['query-language.md', syntax] as const);
  const queries = [...ofCommands, ...ofUrls, ...ofBlocks, ...ofReference];

  it('has examples of each kind', () => {
    for (const found of [ofCommands, ofUrls, ofBlocks]) expect(found).not.toEqual([]);
  });

  it.each(queries)('%s: %s', (_, query) => {
    expect(parseQuery(query)).toMatchObject({ hints: [] });
  });
});

it.each(blocksOf(GUIDES, 'json').map(titled))('%s: is JSON', (_, text) => {
  expect(() => JSON.parse(text) as unknown).not.toThrow();
});

it('JSON bodies of curl commands are JSON', () => {
  const bodies = commands.flatMap(([, command]) => {
    const words = wordsOf(command);
    return words.filter((word, i) => words[i - 1] === '-d' && word.startsWith('{'));
  });
  expect(bodies.length).toBeGreaterThan(10);
  for (const body of bodies) expect(() => JSON.parse(body) as unknown, body).not.toThrow();
});

it('the example of the async guide verifies a signature', () => {
  const code = blocksOf(GUIDES, 'js').find(({ text }) => text.includes('isGenuine'))!.text;
  // eslint-disable-next-line typescript/no-implied-eval
  const verify = new Function(
    'crypto',
    'Buffer',
    'secret',
    'rawBody',
    'signatureHeader',
    `${code}; return isGenuine;`,
  ) as (...args: unknown[]) => boolean;
  const crypto = { createHmac, timingSafeEqual };
  const signature = (secret: string) => `v1=${createHmac('sha256', secret).update('body').digest('hex')}`;
  const header = `${signature('new secret')},${signature('old secret')}`;
  expect(verify(crypto, Buffer, 'old secret', 'body', header)).toBe(true);
  expect(verify(crypto, Buffer, 'new secret', 'body', header)).toBe(true);
  expect(verify(crypto, Buffer, 'old secret', 'other', header)).toBe(false);
  expect(verify(crypto, Buffer, 'another', 'body', header)).toBe(false);
});

describe.skipIf(isMissing('promtool'))('promtool', () => {
  it('reads every expression', () => {
    const inline = GUIDES.flatMap(inlineCodeOf).filter((code) =>
      /^(?:sum|rate|histogram_quantile)\b/.test(code),
    );
    const exprs = [
      ...inline,
      ...blocksOf(GUIDES, 'promql').flatMap(({ text }) =>
        text.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
      ),
    ];
    expect(exprs.length).toBeGreaterThan(10);
    const rules = exprs.map((expr, i) => ({ record: `checked:${i}`, expr }));
    const cwd = folder({ 'rules.json': JSON.stringify({ groups: [{ name: 'docs', rules }] }) });
    const { stdout, stderr, status } = spawnSync('promtool', ['check', 'rules', 'rules.json'], {
      cwd,
      encoding: 'utf8',
    });
    expect(status, stdout + stderr).toBe(0);
  });

  it('accepts the scrape configuration', () => {
    for (const { text } of blocksOf(GUIDES, 'yaml').filter((one) =>
      one.text.startsWith('# prometheus.yml'),
    )) {
      const cwd = folder({ 'prometheus.yaml': text });
      const { stdout, stderr, status } = spawnSync('promtool', ['check', 'config', 'prometheus.yaml'], {
        cwd,
        encoding: 'utf8',
      });
      expect(status, stdout + stderr).toBe(0);
    }
  });
});
