// The settings of followed log files and of redaction.
import { afterEach, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { load } from '../../../src/config/config.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

const REPLICA = ['--replica', 'http://127.0.0.1:8000'];
afterEach(removeFolders);

const logsOf = (args: string[], env: Record<string, string> = {}) => {
  const loaded = load([...REPLICA, ...args], env);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config.logs;
};
const problemsOf = (args: string[]) => {
  const loaded = load([...REPLICA, ...args], {});
  return loaded.ok ? '' : loaded.problems.join('\n');
};

describe('settings of logs', () => {
  it('by default follow no file, cut lines at 64 KiB and redact secrets', () => {
    expect(logsOf([])).toMatchObject({ files: [], max_line: 65_536, redact: true, redact_patterns: [] });
  });

  it('accept comma-separated files, with patterns in the last part', () => {
    expect(logsOf(['--logs-files', '/var/log/a.log, /var/log/model/*.log']).files).toEqual([
      '/var/log/a.log',
      '/var/log/model/*.log',
    ]);
  });

  it.each(['/var/*/a.log', '/var/log/', '/'])('reject %s as a file', (file) =>
    expect(problemsOf(['--logs-files', file])).toMatch(/--logs-files.*with \* and \? only in the last part/),
  );

  it('accept expressions that contain commas', () => {
    const one = String.raw`\d{2,4}-[a,b]`;
    expect(logsOf(['--logs-redact-patterns', one]).redact_patterns).toEqual([one]);
    expect(logsOf([], { WEIR_LOGS_REDACT_PATTERNS: `${one}\nx+` }).redact_patterns).toEqual([one, 'x+']);
    const file = join(folder({ 'weir.yaml': `logs: { redact_patterns: ['a{1,3}', 'b'] }` }), 'weir.yaml');
    expect(logsOf(['--config', file]).redact_patterns).toEqual(['a{1,3}', 'b']);
  });

  it.each(['(a', 'a(?=b)', String.raw`(a)\1`])('reject %s as an expression', (pattern) =>
    expect(problemsOf(['--logs-redact-patterns', pattern])).toMatch(/must be a list of RE2 expressions/),
  );
});
