import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnsOf, rowAsText, rowLabel } from '../../page/pages/logs/columns.ts';
import { attributeOf, rowText, statusTone, type LogJson } from '../../page/pages/logs/record.ts';
import { searchedText } from '../../page/pages/logs/searched-text.ts';
import { foldedLines, linesOf } from '../../page/pages/logs/trace-lines.ts';

const line = (message: string, more: Partial<LogJson> = {}): LogJson => ({
  timestamp: '',
  timestamp_ns: '1795742061904000000',
  seq: 1,
  kind: 'line',
  message,
  ...more,
});

const request = (attributes: Record<string, unknown>, status = 200): LogJson =>
  line('POST /v1/chat/completions 200', {
    kind: 'request',
    level: status >= 500 ? 'ERROR' : 'INFO',
    status,
    duration_ms: 4120,
    request_id: '01a21b02d3f18c09e4aa71b2f6d30955e1c4a',
    replica: 'jm2q4',
    attributes: {
      method: 'POST',
      path: '/v1/chat/completions',
      cause: 'ok',
      model: 'llama-3',
      ...attributes,
    },
  });

const CONTEXT = { zone: 'UTC', nowMs: 1_795_742_100_000 } as const;
const TRACEBACK = `Traceback (most recent call last):
  File "/app/engine.py", line 212, in generate
    out = self.llm.step(batch)
torch.OutOfMemoryError: CUDA out of memory.`;

describe('the text of a row', () => {
  it('of a request says model, stream and how it ended', () => {
    expect(rowText(request({ is_stream: true, finish_reason: 'stop' }))).toEqual({
      main: 'POST /v1/chat/completions',
      sub: 'llama-3 · stream · stop',
    });
    expect(rowText(request({}, 500)).sub).toBe("llama-3 · the replica's own 500");
    expect(rowText(request({ cause: 'client_gone' }, 499)).sub).toMatch(/^llama-3 · .*disconnected/);
    expect(rowText(request({ response_error: 'context too long' })).sub).toBe('llama-3 · context too long');
  });

  it('of several lines is the last one, which names the error', () => {
    expect(rowText(line(TRACEBACK))).toEqual({
      main: 'torch.OutOfMemoryError: CUDA out of memory.',
      sub: '+3 lines',
    });
    const cut = { length: 9000, lines: 80, last_line: 'ValueError: no' };
    expect(rowText(line('Traceback', { message_cut: cut }))).toEqual({
      main: 'ValueError: no',
      sub: '+79 lines',
    });
  });

  it('is one line for copies and for screen readers', () => {
    const columns = columnsOf('time,level,status,request,message');
    expect(rowAsText(request({}, 500), columns, CONTEXT)).toBe(
      "2026-11-27T01:14:21.904Z  ERROR  500  01a21b02d3f18c09e4aa71b2f6d30955e1c4a  POST /v1/chat/completions  llama-3 · the replica's own 500",
    );
    expect(rowLabel(request({}, 500), CONTEXT)).toContain('ERROR, 500, 4.12 s, jm2q4, POST');
  });

  it('shows what cannot be seen', () => {
    const [cell] = columnsOf('message').map((column) => column.cell(line('a\u202eb\u001b[31mc\nd'), CONTEXT));
    expect(cell!.first).toBe('d');
    expect(columnsOf('message')[0]!.cell(line('a\u202eb'), CONTEXT).first).toBe('a⟨U+202E⟩b');
  });

  it('has columns of attributes by their paths', () => {
    const record = line('', { attributes: { 'metadata.tier': 'pro', user: { id: 42 } } });
    expect(attributeOf(record, 'metadata.tier')).toBe('pro');
    expect(attributeOf(record, 'user.id')).toBe(42);
    expect(attributeOf(record, 'user.constructor')).toBeUndefined();
    expect(columnsOf('user.id')[0]!.cell(record, CONTEXT).first).toBe('42');
  });

  it('gives statuses their colours', () => {
    expect([200, 404, 499, 503, 1000, undefined].map(statusTone)).toEqual([
      '',
      'warn',
      'note',
      'err',
      '',
      '',
    ]);
  });
});

describe('a traceback', () => {
  it('has its places, functions and error told apart', () => {
    const kinds = linesOf(TRACEBACK).map((parts) => parts.map(([kind]) => kind).join(' '));
    expect(kinds).toEqual(['fr', ' fn  fn', '', 'ex']);
  });

  it('loses no letter, whatever the text is', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, isTrace) => {
        const whole = isTrace ? `${TRACEBACK}\n${text}` : text;
        const shown = linesOf(whole).map((parts) => parts.map(([, part]) => part).join(''));
        expect(shown.join('\n')).toBe(whole.replace(/\n$/, ''));
      }),
    );
  });

  it('is folded in the middle, so that its end is seen', () => {
    expect(foldedLines(14)).toBeUndefined();
    expect(foldedLines(40)).toEqual({ from: 5, to: 32 });
  });
});

describe('what was searched', () => {
  it('is marked as words and phrases, but not behind a negation', () => {
    const found = (query: string, text: string): string[] =>
      [...text.matchAll(searchedText(query)!)].map(([one]) => one);
    expect(found('"out of memory" -health', 'CUDA out of  memory at health')).toEqual(['out of  memory']);
    expect(found('time*', 'Timeout, timer and daytime')).toEqual(['Timeout', 'timer']);
    expect(searchedText('replica:jm2q4')).toBeUndefined();
    expect(searchedText('level>=wran')).toBeUndefined();
  });
});
