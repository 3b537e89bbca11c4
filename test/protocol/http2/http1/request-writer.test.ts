// Requests of HTTP/2 as HTTP/1.1, written as an attacker would write them. Node's strict parser is the reference.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { RequestWriter } from '../../../../src/protocol/http2/http1/request-writer.ts';
import { parseRequestsWithNode } from '../../../kit/node-parser.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1000);

type Field = readonly [string, string];
const GET: Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.example'],
  [':path', '/x?y'],
];
const POST: Field[] = [[':method', 'POST'], ...GET.slice(1)];
const CONNECT: Field[] = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)];

const blockOf = (fields: readonly Field[]): HeaderBlock => HeaderBlock.of(fields.flat());

/** The head of a request, or why it is malformed. */
function headOf(fields: readonly Field[], isEnd = true): string {
  const writer = new RequestWriter();
  return writer.head(blockOf(fields), isEnd)?.toString('latin1') ?? `malformed: ${writer.problem}`;
}

interface Sent {
  readonly fields: readonly Field[];
  readonly pieces: readonly Buffer[];
  /** Undefined: the last piece ends the stream, or the head if there is none. */
  readonly trailers?: readonly Field[];
}

/** The whole request in HTTP/1.1, or why it is malformed. */
function write({ fields, pieces, trailers }: Sent): Buffer | string {
  const writer = new RequestWriter();
  const out: (Buffer | undefined)[] = [
    writer.head(blockOf(fields), pieces.length === 0 && trailers === undefined),
  ];
  pieces.forEach((piece, i) => {
    if (out.at(-1) !== undefined)
      out.push(writer.data(piece, 0, piece.length, trailers === undefined && i === pieces.length - 1));
  });
  if (trailers !== undefined && out.at(-1) !== undefined) out.push(writer.trailers(blockOf(trailers)));
  return out.at(-1) === undefined ? writer.problem : Buffer.concat(out as Buffer[]);
}

describe('the head', () => {
  it('begins with the method and path, and has :authority as Host', () => {
    expect(headOf([...GET, ['accept', '*/*']])).toBe(
      'GET /x?y HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n',
    );
  });

  it('is the same when the block comes again', () => {
    const writer = new RequestWriter();
    const block = blockOf(POST);
    block.isRemembered = true;
    const texts = [true, false, true, false].map((isEnd) => writer.head(block, isEnd)!.toString());
    expect(texts[2]).toBe(texts[0]);
    expect(texts[3]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[1]);
  });

  it('uses host without :authority, and one Host if both are the same', () => {
    const withoutAuthority = GET.filter(([name]) => name !== ':authority');
    expect(headOf([...withoutAuthority, ['host', 'b.example']])).toContain('\r\nhost: b.example\r\n');
    expect(headOf([...GET, ['host', 'A.example']])).toBe('GET /x?y HTTP/1.1\r\nhost: a.example\r\n\r\n');
  });

  it('is malformed if host and :authority, or two hosts, are not the same', () => {
    expect(headOf([...GET, ['host', 'b.example']])).toMatch(/^malformed: :authority and host/);
    const withoutAuthority = GET.filter(([name]) => name !== ':authority');
    expect(headOf([...withoutAuthority, ['host', 'a'], ['host', 'b']])).toMatch(/^malformed/);
  });

  it('joins cookies with "; "', () => {
    expect(headOf([...GET, ['cookie', 'a=1'], ['x', '1'], ['cookie', 'b=2; c=3']])).toContain(
      '\r\nx: 1\r\ncookie: a=1; b=2; c=3\r\n',
    );
  });

  it('keeps duplicates, order and empty values', () => {
    expect(headOf([...GET, ['x-a', '1'], ['x-b', ''], ['x-a', '2']])).toContain(
      '\r\nx-a: 1\r\nx-b: \r\nx-a: 2\r\n',
    );
  });

  it('frames a body by its length, or in chunks if it has none', () => {
    expect(headOf([...POST, ['content-length', '5']], false)).toMatch(/\r\ncontent-length: 5\r\n\r\n$/);
    expect(headOf(POST, false)).toMatch(/\r\ntransfer-encoding: chunked\r\n\r\n$/);
    expect(headOf(POST)).not.toMatch(/content-length|transfer-encoding/);
  });

  it('asks for an upgrade if it is an extended CONNECT, with a key of its own each time', () => {
    const websocket = [...CONNECT, ['sec-websocket-version', '13'], ['sec-websocket-key', 'x']] as Field[];
    const [one, two] = [headOf(websocket, false), headOf(websocket, false)];
    expect(one).toMatch(
      /^GET \/x\?y HTTP\/1\.1\r\nhost: a\.example\r\nsec-websocket-version: 13\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==\r\n\r\n$/,
    );
    expect(two).not.toBe(one);
  });

  it('passes on CONNECT, which the server refuses', () => {
    const plain: Field[] = [
      [':method', 'CONNECT'],
      [':authority', 'db:5432'],
    ];
    expect(headOf(plain, false)).toMatch(/^CONNECT db:5432 HTTP\/1\.1\r\nhost: db:5432\r\n/);
  });

  it.each([
    ['a line end in the path', [...GET.slice(0, 3), [':path', '/ HTTP/1.1\r\nx: y']]],
    ['a space in the path', [...GET.slice(0, 3), [':path', '/a b']]],
    ['a URI as the path', [...GET.slice(0, 3), [':path', 'http://other/x']]],
    ['an empty path', [...GET.slice(0, 3), [':path', '']]],
    ['a NUL in the path', [...GET.slice(0, 3), [':path', '/\0']]],
    ['a space in the method', [[':method', 'GET / HTTP/1.1\r\n'], ...GET.slice(1)]],
    ['a line end in the authority', [...GET.slice(0, 2), [':authority', 'a\r\nx: y'], GET[3]!]],
    [
      'a line end in the authority of CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1\r\nx: y'],
      ],
    ],
    ['a line end in a value', [...GET, ['x', 'a\r\ny: b']]],
    ['a bare line feed in a value', [...GET, ['x', 'a\nb']]],
    ['a bare carriage return in a value', [...GET, ['x', 'a\rb']]],
    ['a NUL in a value', [...GET, ['x', 'a\0b']]],
    ['a line end in a cookie', [...GET, ['cookie', 'a\r\ny: b']]],
    ['a line end in host', [...GET.slice(0, 2), GET[3]!, ['host', 'a\r\ny: b']]],
    ['a space before a value', [...GET, ['x', ' a']]],
    ['a tab after a value', [...GET, ['x', 'a\t']]],
    ['a name in upper case', [...GET, ['X', 'a']]],
    ['a colon in a name', [...GET, ['content-length: 5\r\nx', 'a']]],
    ['a space in a name', [...GET, ['transfer-encoding ', 'chunked']]],
    ['an empty name', [...GET, ['', 'a']]],
    ['transfer-encoding', [...POST, ['transfer-encoding', 'chunked']]],
    ['connection', [...GET, ['connection', 'close, content-length']]],
    ['keep-alive', [...GET, ['keep-alive', '5']]],
    ['proxy-connection', [...GET, ['proxy-connection', 'close']]],
    ['upgrade', [...GET, ['upgrade', 'websocket']]],
    ['te with more than trailers', [...GET, ['te', 'trailers, gzip']]],
    ['a length without a body', [...POST, ['content-length', '5']]],
    ['two lengths', [...POST, ['content-length', '5'], ['content-length', '6']]],
    ['a length with a sign', [...POST, ['content-length', '+5']]],
    ['a length that is not a number', [...POST, ['content-length', '0x5']]],
    ['a protocol that is not a token', [[':method', 'CONNECT'], [':protocol', 'a\r\nb'], ...GET.slice(1)]],
    [':protocol with another method', [...GET, [':protocol', 'websocket']]],
    ['an unknown pseudo-header', [...GET, [':x', 'y']]],
    ['a pseudo-header after a field', [GET[0]!, GET[1]!, GET[2]!, ['x', 'y'], GET[3]!]],
    ['two paths', [...GET, [':path', '/other']]],
  ] as [string, Field[]][])('is malformed with %s', (_, fields) => {
    expect(headOf(fields)).toMatch(/^malformed: ./);
  });
});

describe('the body', () => {
  it('keeps the pieces of a body with a length as they are', () => {
    const fields: Field[] = [...POST, ['content-length', '5']];
    const sent = write({ fields, pieces: [Buffer.from('he'), Buffer.alloc(0), Buffer.from('llo')] });
    expect(sent.toString()).toMatch(/\r\n\r\nhello$/);
  });

  it('is malformed if it is longer or shorter than its length', () => {
    const fields: Field[] = [...POST, ['content-length', '5']];
    expect(write({ fields, pieces: [Buffer.from('hello!')] })).toContain('longer');
    expect(write({ fields, pieces: [Buffer.from('hell')] })).toContain('shorter');
    expect(write({ fields, pieces: [Buffer.from('hell')], trailers: [] })).toContain('shorter');
    const empty: Field[] = [...POST, ['content-length', '0']];
    expect(write({ fields: empty, pieces: [Buffer.from('x')] })).toContain('longer');
  });

  it('writes chunks, and trailers behind them', () => {
    const sent = write({ fields: POST, pieces: [Buffer.alloc(16, 'x')], trailers: [['x-sum', '1']] });
    expect(sent.toString()).toMatch(/\r\n\r\n10\r\nx{16}\r\n0\r\nx-sum: 1\r\n\r\n$/);
  });

  it('drops trailers behind a body with a length', () => {
    const fields: Field[] = [...POST, ['content-length', '1']];
    const sent = write({ fields, pieces: [Buffer.from('x')], trailers: [['x-sum', '1']] });
    expect(sent.toString()).toMatch(/\r\n\r\nx$/);
  });

  it.each([
    ['a line end', [['x', 'a\r\n\r\nGET /']]],
    ['a pseudo-header', [[':path', '/']]],
    ['a field of a connection', [['transfer-encoding', 'chunked']]],
  ] as [string, Field[]][])('is malformed with %s in its trailers', (_, trailers) => {
    expect(write({ fields: POST, pieces: [Buffer.from('x')], trailers })).toEqual(
      expect.stringMatching(/not allowed|pseudo-header/),
    );
  });
});

describe('as Node reads it', () => {
  const text = fc.oneof(
    { weight: 16, arbitrary: fc.stringMatching(/^[!-~]([ -~]{0,10}[!-~])?$/) },
    { weight: 2, arbitrary: fc.constantFrom('', 'ü', 'a\tb', 'trailers', '5', 'chunked', 'close') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constantFrom('a\r\nb: c', 'a\nb', '\r\n\r\nGET /evil HTTP/1.1\r\n', 'a\0') },
  );
  const name = fc.oneof(
    {
      weight: 16,
      arbitrary: fc.constantFrom('x-a', 'accept', 'cookie', 'content-type', 'x_b'),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('transfer-encoding', 'content-length', 'connection', 'host', 'te', ':path'),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
  );
  const field = fc.tuple(name, text);
  const request = fc.record({
    method: fc.oneof({ weight: 9, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS') }, text),
    path: fc.oneof(
      { weight: 8, arbitrary: fc.webPath().map((path) => path || '/') },
      { weight: 1, arbitrary: text.map((end) => `/${end}`) },
    ),
    authority: fc.oneof({ weight: 9, arbitrary: fc.constantFrom('a.example', 'a:80') }, text),
    fields: fc.array(field, { maxLength: 5 }),
    length: fc.option(fc.nat(40), { freq: 4 }),
    pieces: fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { maxLength: 3 }),
    trailers: fc.option(fc.array(field, { maxLength: 2 }), { nil: undefined, freq: 3 }),
  });

  it('is one request with the same method, path and body, or it is malformed', async () => {
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, authority, fields, length, pieces, trailers }) => {
        const lengthField: Field[] = length === null ? [] : [['content-length', String(length)]];
        const bytes = write({
          fields: [
            [':method', method],
            [':scheme', 'http'],
            [':authority', authority],
            [':path', path],
            ...lengthField,
            ...fields,
          ],
          pieces: pieces.map((piece) => Buffer.from(piece, 'latin1')),
          ...(trailers === undefined ? {} : { trailers }),
        });
        // Node answers expectations itself, and CONNECT has no body.
        const isOther = method === 'CONNECT' || fields.some(([one]) => one === 'expect');
        if (typeof bytes === 'string' || isOther) return;
        const { requests, isRefused } = await parseRequestsWithNode(bytes);
        // Another request never begins in the bytes of this one.
        expect(requests.length).toBeLessThan(2);
        if (isRefused || requests.length === 0) return;
        const body = Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'latin1'))).toString('latin1');
        expect(requests[0]).toMatchObject({ method, url: path, body });
        whole++;
      }),
      { numRuns: runs },
    );
    expect(whole).toBeGreaterThan(runs / 20);
  });
});
