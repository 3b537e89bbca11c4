// Parsing of log lines that model servers write.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NOW, reader, recordOf, recordsOf } from './read-lines.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };
const ID = '31255019cf83c4d0c7492a5006591e1f502a5';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const ns = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;

describe('a JSON line', () => {
  it('gives level, message, local time, request id and attributes of truss', () => {
    const record = recordOf(
      `{"asctime": "2026-11-20 16:52:26,510", "levelname": "INFO", "message": "Starting prediction", "k": 1, "request_id": "${ID}", "chain_request_id": "c1"}`,
    );
    expect(record).toMatchObject({
      seq: 0,
      kind: 'line',
      deployment: 'dep1',
      environment: 'production',
      replica: 'abc12',
      source: 'stderr',
      timeNs: BigInt(new Date(2026, 10, 20, 16, 52, 26, 510).getTime()) * 1_000_000n,
      severity: 9,
      message: 'Starting prediction',
      requestId: ID,
      parsed: { k: 1, chain_request_id: 'c1' },
    });
    expect(Object.keys(record.parsed)).toEqual(['k', 'chain_request_id']);
  });

  it('keeps a traceback as exc_info', () => {
    const record = recordOf(
      String.raw`{"asctime": "2026-11-20 16:52:26,510", "levelname": "ERROR", "message": "boom", "exc_info": "Traceback (most recent call last):\n  File \"m.py\"\nValueError: x"}`,
    );
    expect(record).toMatchObject({
      severity: 17,
      message: 'boom',
      parsed: { exc_info: 'Traceback (most recent call last):\n  File "m.py"\nValueError: x' },
    });
  });

  it.each([
    [
      'pino',
      '{"level":50,"time":1795193000123,"pid":7,"hostname":"h","msg":"no luck","err":{"type":"Error","stack":"Error: x\\n    at f"}}',
      17,
      'no luck',
      1_795_193_000_123_000_000n,
    ],
    [
      'zap',
      '{"level":"warn","ts":1795193000.25,"caller":"a/b.go:1","msg":"slow"}',
      13,
      'slow',
      1_795_193_000_250_000_000n,
    ],
    [
      'Rust tracing (TGI)',
      '{"timestamp":"2026-11-20T16:00:00.123456Z","level":"INFO","fields":{"message":"Connected"},"target":"router"}',
      9,
      'Connected',
      ns('2026-11-20T16:00:00Z') + 123_456_000n,
    ],
    [
      'structlog',
      '{"event": "loaded", "level": "debug", "timestamp": "2026-11-20T18:00:00+02:00"}',
      5,
      'loaded',
      ns('2026-11-20T16:00:00Z'),
    ],
    [
      'ECS',
      '{"@timestamp":"2026-11-20T16:00:00.000Z","log.level":"error","message":"m"}',
      17,
      'm',
      ns('2026-11-20T16:00:00Z'),
    ],
    [
      'Python numbers',
      '{"levelno": 40, "message": "m", "ts": "1795193000"}',
      17,
      'm',
      1_795_193_000_000_000_000n,
    ],
    [
      'nanoseconds that a double cannot hold',
      '{"severity":"NOTICE","body":"m","time":1795193000123456789}',
      10,
      'm',
      1_795_193_000_123_456_789n,
    ],
    [
      'Serilog',
      '{"Timestamp":"2026-11-20T16:00:00Z","Level":"Information","Message":"m"}',
      9,
      'm',
      ns('2026-11-20T16:00:00Z'),
    ],
    ['OTLP numbers', '{"severity_number":21,"body":"m"}', 21, 'm', NOW],
  ])('gives level, message and time of %s', (_who, line, severity, message, timeNs) =>
    expect(recordOf(line)).toMatchObject({ severity, message, timeNs }),
  );

  it('gets the trace and span ids that it contains', () => {
    expect(
      recordOf(`{"msg":"m","trace_id":"${TRACE.toUpperCase()}","span_id":"00f067aa0ba902b7"}`),
    ).toMatchObject({ traceId: TRACE, spanId: '00f067aa0ba902b7', parsed: {} });
  });

  it('keeps values that do not fit their names as attributes', () => {
    const odd = {
      level: 'loud',
      message: 'm',
      time: '2126-01-01T00:00:00Z',
      request_id: 'two words',
      trace_id: '0'.repeat(32),
      span_id: 'xyz',
      ts: 12,
    };
    const record = recordOf(JSON.stringify(odd));
    expect(record).toMatchObject({ severity: 0, timeNs: NOW, requestId: '', traceId: '', spanId: '' });
    const { message: _message, ...others } = odd;
    expect(record.parsed).toEqual(others);
  });

  it('gets a request id of up to 256 characters of any form', () => {
    expect(recordOf(`{"request_id":"${'x'.repeat(256)}"}`).requestId).toBe('x'.repeat(256));
    expect(recordOf(`{"request_id":"${'x'.repeat(257)}"}`).requestId).toBe('');
  });

  it('has its text as message if it has none', () => {
    const line = '{"level":"info","status":200}';
    expect(recordOf(line)).toMatchObject({ severity: 9, message: line, parsed: { status: 200 } });
  });

  it('cannot change prototypes by the names of its keys', () => {
    const record = recordOf('{"message":"m","__proto__":{"polluted":1},"constructor":{"prototype":{"p":1}}}');
    expect(record.attributes).toBe('{"__proto__":{"polluted":1},"constructor":{"prototype":{"p":1}}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('is limited in width, depth and length, and counts the dropped values', () => {
    const wide = recordOf(`{"message":"m","list":[${'1,'.repeat(5000)}1]}`);
    expect((wide.parsed['list'] as unknown[]).length).toBeLessThan(600);
    expect(wide.parsed['attributes_dropped']).toBeGreaterThan(4000);
    const deep = recordOf(`{"message":"m","a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
    expect(deep.attributes.length).toBeLessThan(200);
    const long = recordOf(`{"message":"m","a":"${'x'.repeat(200_000)}"}`, { maxLineBytes: 1 << 20 });
    expect(long.attributes.length).toBeLessThan(64 * 1024);
  });

  it('keeps whole numbers that a double cannot represent', () => {
    expect(recordOf('{"message":"m","user":12345678901234567890}').parsed).toEqual({
      user: '12345678901234567890',
    });
  });

  it.each([
    '{"message": "m"',
    '{message: 1}',
    '{}x',
    '[{"message":"m"}]',
    '"text"',
    '12',
    'null',
    '{"a": NaN}',
  ])('stays text if it is not a JSON object: %s', (line) =>
    expect(recordOf(line)).toMatchObject({ message: line, severity: 0, attributes: '' }),
  );
});

describe('a plain line', () => {
  it.each([
    ['uvicorn', 'INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK', 9],
    ['vLLM', 'WARNING 11-20 12:00:00 [config.py:58] Casting torch.float32', 13],
    ['vLLM, several processes', '(EngineCore_0 pid=123) ERROR 11-20 12:00:00 [core.py:58] failed', 17],
    ['truss without JSON', '12:00:00.1234 WARNING low memory', 13],
    ['Python logging', '2026-11-20 12:00:00,123 ERROR boom', 17],
    ['Python logging, with names', '2026-11-20 12:00:00,123 - my.module - CRITICAL - boom', 21],
    ['Python’s default', 'ERROR:root:boom', 17],
    ['loguru', '2026-11-20 12:00:00.123 | DEBUG    | mod:fn:1 - text', 5],
    ['gunicorn', '[2026-11-20 12:00:00 +0000] [7] [INFO] Starting gunicorn 23.0.0', 9],
    ['log4j', '2026-11-20 12:00:00,123 [main] WARN  c.m.Server - text', 13],
    ['TGI as text', '2026-11-20T12:00:00.123456Z  INFO text_generation_launcher: Args', 9],
    ['Triton (glog)', 'I1120 12:00:00.123456 1 server.cc:604] started', 9],
    ['Triton, with the year', 'E20261120 12:00:00.123456 1 model.cc:1] failed', 17],
    ['nginx errors', '2026/11/20 12:00:00 [crit] 7#7: *1 connect() failed', 21],
    ['logfmt', 'time="2026-11-20T12:00:00Z" level=warning msg="slow"', 13],
    ['brackets', '[WARNING] low', 13],
    ['npm', 'warning: deprecated', 13],
    ['Python’s warnings', '/app/model.py:12: UserWarning: old', 13],
    ['nginx access', '10.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /error HTTP/1.1" 500 1', 0],
    ['a sentence', 'The error rate is 0, no warning', 0],
    ['a sentence that begins so', 'Info about the model follows', 0],
    ['a URL', 'error://x', 0],
    ['a bar', '100%|#####| 4/4 [00:01<00:00]', 0],
  ])('has the level of its form: %s', (_who, line, severity) =>
    expect(recordOf(line)).toMatchObject({ message: line, severity, attributes: '' }),
  );

  it.each([
    `request_id=${ID} done`,
    `done (requestId: ${ID.slice(0, 32)})`,
    `"x-baseten-request-id": "${ID}", more`,
  ])('gets the request id that it contains: %s', (line) =>
    expect(recordOf(line).requestId).toMatch(/^3125[0-9a-f]{28,33}$/),
  );

  it.each(['request_id=12', `request_id=${ID}f`, 'request_id=', `id=${ID}`])(
    'gets no request id from %s',
    (line) => expect(recordOf(line).requestId).toBe(''),
  );

  it('gets the trace and span ids that it contains', () => {
    expect(recordOf(`[trace_id=${TRACE} span_id=00f067aa0ba902b7] text`)).toMatchObject({
      traceId: TRACE,
      spanId: '00f067aa0ba902b7',
    });
  });

  it('loses its colours and keeps its text', () => {
    expect(recordOf('\u001b[32mINFO\u001b[0m:     up \u001b]0;title\u0007now')).toMatchObject({
      message: 'INFO:     up now',
      severity: 9,
    });
    expect(recordOf('\u001b[1m{"level":"error","message":"m"}\u001b[0m')).toMatchObject({ severity: 17 });
  });

  it('has no characters that control a terminal, and does not end at a NUL', () => {
    expect(recordOf('a\u0000b\u0007c\u001bd\u009b31m').message).toBe('a␀b␇c\ufffd31m');
    expect(recordOf(String.raw`{"message":"a\u0000\u001b[2Jb\ud800"}`).message).toBe('a␀b\ufffd');
  });

  it('is cut and marked if it is too long', () => {
    expect(recordOf('x'.repeat(5000), { maxLineBytes: 1024 })).toMatchObject({
      message: 'x'.repeat(1024),
      parsed: { is_cut: true, bytes: 5000 },
    });
  });

  it('gets its request id and is redacted if it is too long', () => {
    const line = `{"message": "m", "request_id": "${ID}", "password": "hunter2", "x": "${'x'.repeat(5000)}"}`;
    const record = recordOf(line, { maxLineBytes: 1024 });
    expect(record.requestId).toBe(ID);
    expect(record.message).not.toContain('hunter2');
  });
});

describe('a stream of lines', () => {
  it('keeps a line without a line end without a time limit, and returns it at the end', () => {
    const lines = reader();
    expect(lines.push(Buffer.from('half a li'), NOW)).toEqual([]);
    expect(lines.tick(NOW + 3_600_000_000_000n)).toEqual([]);
    lines.push(Buffer.from('ne'), NOW);
    expect(lines.end().map(({ message }) => message)).toEqual(['half a line']);
  });

  it('counts the bytes of the records that were returned', () => {
    const lines = reader();
    lines.push(Buffer.from('one\ntwo\nthr'), NOW);
    expect(lines.emittedBytes).toBe(4);
    lines.flush();
    expect(lines.emittedBytes).toBe(8);
    lines.end();
    expect(lines.emittedBytes).toBe(11);
  });

  it('gives records without control characters for any bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(`${text}\n`)),
      fc
        .array(
          fc.constantFrom(
            '{"',
            '":',
            '"}',
            '\n',
            '\u001b[',
            'Traceback (most recent call last):\n',
            '  ',
            'x',
          ),
        )
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (pieces) => {
        const lines = reader({ maxLineBytes: 100 });
        const records = pieces.flatMap((piece) => lines.push(piece, NOW));
        for (const record of [...records, ...lines.end()]) {
          expect(record.message).not.toMatch(/[^\P{Cc}\t\n]/u);
          if (record.attributes !== '') expect(JSON.parse(record.attributes)).toBeTypeOf('object');
        }
      }),
      runs,
    );
  });

  it('gives each plain line in exactly one record, in order', () => {
    const line = fc.string({
      unit: fc.constantFrom('a', 'b', ' ', '{', '}', ':', '.', '(', '\t'),
      maxLength: 10,
    });
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const given = recordsOf(lines.map((text) => `${text}\n`).join(''))
          .map(({ message }) => message)
          .join('\n');
        const isThere = (text: string) => text.trim() !== '';
        expect(given.split('\n').filter(isThere)).toEqual(
          lines.filter((text) => isThere(text)).map((text) => (text === '{}' ? '{}' : text)),
        );
      }),
      runs,
    );
  });
});

it('keeps the previous origin for an unfinished record when the origin of the stream changes', () => {
  const lines = reader();
  const before = lines.push(Buffer.from('INFO first\nINFO second\n'), NOW);
  lines.setOrigin({
    deployment: 'dep2',
    environment: 'staging',
    replica: 'xyz',
    source: 'stderr',
    pod: 'p1',
    modelId: 'm1',
  });
  const after = [...lines.push(Buffer.from('INFO third\n'), NOW), ...lines.end()];
  expect([...before, ...after].map(({ message, deployment }) => [message, deployment])).toEqual([
    ['INFO first', 'dep1'],
    ['INFO second', 'dep1'],
    ['INFO third', 'dep2'],
  ]);
  expect(after.at(-1)).toMatchObject({ environment: 'staging', replica: 'xyz', source: 'stderr' });
});
