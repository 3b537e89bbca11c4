// Header blocks: what makes them malformed, and what is read from them.
import { describe, expect, it } from 'vitest';
import { FIELD_KIND } from '../../../../src/protocol/http2/hpack/field.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';

/** A request with further fields. */
const request = (...more: string[]): string[] => [
  ':method',
  'POST',
  ':scheme',
  'http',
  ':path',
  '/a?b',
  ':authority',
  'example.com:80',
  ...more,
];

describe('a block is malformed', () => {
  it.each([
    { title: 'with a name in upper case', raw: ['Accept', 'a'], problem: 'field name "Accept"' },
    { title: 'with an empty name', raw: ['', 'a'], problem: 'field name ""' },
    { title: 'with a space in a name', raw: ['a b', 'a'], problem: 'field name "a b"' },
    { title: 'with a colon in a name', raw: ['a:b', 'a'], problem: 'field name "a:b"' },
    { title: 'with a byte from 0x80 in a name', raw: ['a\xe4', 'a'], problem: 'field name' },
    { title: 'with a line end in a name', raw: ['a\r\nb', 'a'], problem: 'field name "a\\r\\nb"' },
    { title: 'with a NUL in a value', raw: ['a', 'b\0c'], problem: 'the value of a' },
    { title: 'with a CR in a value', raw: ['a', 'b\rc'], problem: 'the value of a' },
    { title: 'with an LF at the end of a value', raw: ['a', 'b\n'], problem: 'the value of a' },
    { title: 'with DEL in a value', raw: ['a', '\x7f'], problem: 'the value of a' },
    { title: 'with a space before a value', raw: ['a', ' b'], problem: 'the value of a' },
    { title: 'with a tab after a value', raw: ['a', 'b\t'], problem: 'the value of a' },
    { title: 'with connection', raw: ['connection', 'close'], problem: 'connection is not allowed' },
    { title: 'with keep-alive', raw: ['keep-alive', '1'], problem: 'keep-alive is not allowed' },
    { title: 'with upgrade', raw: ['upgrade', 'h2c'], problem: 'upgrade is not allowed' },
    {
      title: 'with transfer-encoding',
      raw: ['transfer-encoding', 'chunked'],
      problem: 'not allowed in HTTP/2',
    },
    { title: 'with proxy-connection', raw: ['proxy-connection', 'close'], problem: 'not allowed in HTTP/2' },
    { title: 'with te: gzip', raw: ['te', 'gzip'], problem: 'te is not "trailers"' },
    {
      title: 'with an unknown pseudo-header',
      raw: [':query', 'a'],
      problem: 'unknown pseudo-header ":query"',
    },
    { title: 'with an empty pseudo-header', raw: [':', 'a'], problem: 'unknown pseudo-header ":"' },
    { title: 'with two methods', raw: [':method', 'GET', ':method', 'GET'], problem: 'two :method fields' },
    {
      title: 'with a late pseudo-header',
      raw: ['a', 'b', ':path', '/'],
      problem: ':path comes after a field',
    },
    { title: 'with an empty path', raw: [':path', ''], problem: ':path is not a path' },
    { title: 'with a space in the path', raw: [':path', '/a HTTP/1.1'], problem: ':path is not a path' },
    { title: 'with a URL as the path', raw: [':path', 'http://a/'], problem: ':path is not a path' },
    { title: 'with a space in the method', raw: [':method', 'GET /'], problem: ':method is not a token' },
    {
      title: 'with a user in the authority',
      raw: [':authority', 'a@b'],
      problem: ':authority is not a host',
    },
    {
      title: 'with a path in the authority',
      raw: [':authority', 'a/b'],
      problem: ':authority is not a host',
    },
    { title: 'with a scheme that is none', raw: [':scheme', 'ht tp'], problem: ':scheme is not a scheme' },
    { title: 'with the status 101', raw: [':status', '101'], problem: ':status is not a status' },
    {
      title: 'with a status that is not a number',
      raw: [':status', 'ok'],
      problem: ':status is not a status',
    },
    { title: 'with two host fields', raw: ['host', 'a', 'host', 'a'], problem: 'two host fields' },
    {
      title: 'with a negative content-length',
      raw: ['content-length', '-1'],
      problem: 'content-length is invalid',
    },
    {
      title: 'with a content-length that is a list',
      raw: ['content-length', '5, 5'],
      problem: 'content-length',
    },
    {
      title: 'with two content-lengths that differ',
      raw: ['content-length', '5', 'content-length', '6'],
      problem: 'content-length is invalid',
    },
  ])('$title', ({ raw, problem }) => {
    expect(HeaderBlock.of(raw).problem).toContain(problem);
  });
});

describe('the head of a request', () => {
  it.each([
    { title: 'with all pseudo-headers', raw: request('te', 'trailers', 'content-length', '5', 'a', '') },
    { title: 'without :authority', raw: [':method', 'GET', ':scheme', 'https', ':path', '/'] },
    { title: 'with values that have bytes from 0x80 and tabs', raw: request('a', '\xe4\t\xff') },
    { title: 'with the same host in another case', raw: request('host', 'EXAMPLE.com:80') },
    {
      title: 'with the same content-length twice',
      raw: request('content-length', '5', 'content-length', '5'),
    },
    { title: 'with te in another case', raw: request('te', 'Trailers') },
    { title: 'OPTIONS *', raw: [':method', 'OPTIONS', ':scheme', 'http', ':path', '*'] },
    { title: 'CONNECT', raw: [':method', 'CONNECT', ':authority', 'example.com:80'] },
    {
      title: 'extended CONNECT',
      raw: [
        ':method',
        'CONNECT',
        ':protocol',
        'websocket',
        ':scheme',
        'https',
        ':path',
        '/',
        ':authority',
        'a',
      ],
    },
  ])('is well-formed $title', ({ raw }) => {
    expect(HeaderBlock.of(raw).requestProblem()).toBe('');
  });

  it.each([
    { title: 'without :method', raw: [':scheme', 'http', ':path', '/'], problem: 'no :method' },
    { title: 'without :scheme', raw: [':method', 'GET', ':path', '/'], problem: 'no :scheme' },
    { title: 'without :path', raw: [':method', 'GET', ':scheme', 'http'], problem: 'no :path' },
    { title: 'with :status', raw: [':status', '200', ...request()], problem: 'has :status' },
    { title: 'with another host', raw: request('host', 'other'), problem: ':authority and host differ' },
    { title: 'GET *', raw: [':method', 'GET', ':scheme', 'http', ':path', '*'], problem: ':path is "*"' },
    { title: 'with :protocol', raw: [':protocol', 'websocket', ...request()], problem: 'has :protocol' },
    {
      title: 'CONNECT with :path',
      raw: [':method', 'CONNECT', ':path', '/'],
      problem: 'has :scheme or :path',
    },
    {
      title: 'CONNECT with an empty :protocol, which is not extended CONNECT',
      raw: [':method', 'CONNECT', ':protocol', '', ':scheme', 'http', ':path', '/'],
      problem: 'has :scheme or :path',
    },
    { title: 'CONNECT without :authority', raw: [':method', 'CONNECT'], problem: 'no :authority' },
    {
      title: 'extended CONNECT without :path',
      raw: [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http'],
      problem: 'no :path',
    },
    { title: 'with a malformed field', raw: request('A', 'b'), problem: 'field name "A"' },
  ])('is malformed $title', ({ raw, problem }) => {
    expect(HeaderBlock.of(raw).requestProblem()).toContain(problem);
  });
});

describe('the head of a response', () => {
  it('has a status and no other pseudo-header', () => {
    expect(HeaderBlock.of([':status', '200', 'a', 'b']).responseProblem()).toBe('');
    expect(HeaderBlock.of(['a', 'b']).responseProblem()).toBe('a response has no :status');
    expect(HeaderBlock.of([':status', '200', ':path', '/']).responseProblem()).toContain('of requests');
    expect(HeaderBlock.of([':status', '200', 'A', 'b']).responseProblem()).toContain('field name "A"');
  });
});

describe('trailers', () => {
  it('have no pseudo-headers', () => {
    expect(HeaderBlock.of(['grpc-status', '0']).trailersProblem()).toBe('');
    expect(HeaderBlock.of([':status', '200']).trailersProblem()).toBe('trailers have a pseudo-header');
    expect(HeaderBlock.of(['te', 'gzip']).trailersProblem()).toContain('te is not');
  });
});

describe('a block', () => {
  it('gives pseudo-headers, values and the content length', () => {
    const block = HeaderBlock.of(request('a', '1', 'a', '2', 'content-length', '12'));
    const { method, scheme, path, authority, protocol, status, contentLength } = block;
    expect([method, scheme, path, authority]).toEqual(['POST', 'http', '/a?b', 'example.com:80']);
    expect([protocol, status, contentLength]).toEqual(['', '', 12]);
    expect(block.value('a')).toBe('1');
    expect(block.value('b')).toBeUndefined();
    expect(block.valueOfKind(FIELD_KIND['content-length'])).toBe('12');
    expect(block.valueOfKind(FIELD_KIND['grpc-status'])).toBeUndefined();
    expect(block.raw()).toEqual(request('a', '1', 'a', '2', 'content-length', '12'));
    expect(block.raw()).toBe(block.raw());
  });

  it('tells a missing content length from an invalid one', () => {
    expect(HeaderBlock.of([]).contentLength).toBe(-1);
    expect(HeaderBlock.of(['content-length', '1e3']).contentLength).toBe(-2);
    expect(HeaderBlock.of(['content-length', '1', 'content-length', '2']).contentLength).toBe(-2);
    expect(
      HeaderBlock.of(['content-length', '2', 'content-length', 'x', 'content-length', '2']).contentLength,
    ).toBe(-2);
  });

  it('has the size of RFC 7541 4.1', () => {
    expect(HeaderBlock.of(['custom-key', 'custom-header', 'a', '']).size).toBe(55 + 33);
  });
});
