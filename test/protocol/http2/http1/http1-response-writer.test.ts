// HTTP/2 responses, written as HTTP/1.1.
import { expect, it } from 'vitest';
import { NO_BODY, BY_CHUNKS, BY_LENGTH } from '../../../../src/protocol/http/body-framing.ts';
import { READY } from '../../../../src/protocol/http/head-result.ts';
import { readResponseHead, ResponseHead } from '../../../../src/protocol/http/response-head-parser.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { Http1ResponseWriter } from '../../../../src/protocol/http2/http1/http1-response-writer.ts';

const block = (...list: string[]): HeaderBlock => HeaderBlock.of(list);

function begun(isToHead = false, key?: string): Http1ResponseWriter {
  const writer = new Http1ResponseWriter();
  writer.begin(isToHead, key);
  return writer;
}

/** The text as the lanes read it. */
function parsed(text: string, isToHead = false): ResponseHead {
  const head = new ResponseHead();
  const bytes = Buffer.from(text, 'latin1');
  expect(readResponseHead(bytes, 0, bytes.length, isToHead, head)).toBe(READY);
  return head;
}

it('writes a head whose body has a length', () => {
  const writer = begun();
  const text = writer.head(
    block(':status', '200', 'content-type', 'text/plain', 'content-length', '5'),
    false,
  );
  expect(text).toBe('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n');
  expect([writer.before(5), writer.after, writer.end(undefined), writer.problem]).toEqual(['', '', '', '']);
  expect([parsed(text).framing, parsed(text).length]).toEqual([BY_LENGTH, 5]);
});

it('writes a body without a length in chunks, with its trailers', () => {
  const writer = begun();
  const text = writer.head(block(':status', '201'), false);
  expect(text).toBe('HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n');
  expect([writer.before(26), writer.after]).toEqual(['1a\r\n', '\r\n']);
  expect(writer.end(block('x-sum', '42'))).toBe('0\r\nx-sum: 42\r\n\r\n');
  expect(parsed(text).framing).toBe(BY_CHUNKS);
});

it('writes a body with a length in chunks if trailers are announced', () => {
  const writer = begun();
  const text = writer.head(block(':status', '200', 'content-length', '5', 'trailer', 'x-sum'), false);
  expect(text).toBe('HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n');
});

it('writes a response that ends with its head as one without a body', () => {
  const text = begun().head(block(':status', '200'), true);
  expect(text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  expect(begun().head(block(':status', '204'), true)).toBe('HTTP/1.1 204 No Content\r\n\r\n');
});

it('keeps the length of a response to HEAD and of 304', () => {
  const head = block(':status', '200', 'content-length', '5');
  expect(begun(true).head(head, true)).toBe('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
  const notModified = begun().head(block(':status', '304', 'content-length', '5'), true);
  expect(notModified).toBe('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n');
  expect(parsed(notModified).framing).toBe(NO_BODY);
});

it('writes interim responses before the final one', () => {
  const writer = begun();
  expect(writer.head(block(':status', '103', 'link', '</a>'), false)).toBe(
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n',
  );
  expect(writer.hasHead).toBe(false);
  writer.head(block(':status', '200'), false);
  expect(writer.hasHead).toBe(true);
});

it('switches to a WebSocket with the key of the request', () => {
  const writer = begun(false, 'dGhlIHNhbXBsZSBub25jZQ==');
  const text = writer.head(block(':status', '200', 'sec-websocket-protocol', 'chat'), false);
  expect(text).toBe(
    'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n',
  );
  expect([writer.isTunnel, writer.before(3), writer.after]).toEqual([true, '', '']);
});

it('passes a refusal of a WebSocket on', () => {
  const writer = begun(false, 'AAAA');
  expect(writer.head(block(':status', '403', 'content-length', '0'), true)).toMatch(/^HTTP\/1\.1 403 /);
  expect(writer.isTunnel).toBe(false);
});

it.each([
  ['a status with letters', block(':status', '2x0'), 'the response has the status "2x0"'],
  ['no status', block('x-a', '1'), 'the response has the status ""'],
  ['status 101', block(':status', '101'), 'the response has the status "101"'],
  ['a line end in a value', block(':status', '200', 'x-a', '1\r\nset-cookie: evil=1'), /x-a/],
  ['a line end in a name', block(':status', '200', 'x-a: 1\r\nevil', '1'), /x-a/],
  ['a colon in a name', block(':status', '200', 'content-length: 0\r\nx', '1'), /content-length/],
  ['Transfer-Encoding', block(':status', '200', 'transfer-encoding', 'chunked'), /transfer-encoding/],
  ['Connection', block(':status', '200', 'connection', 'close'), /connection/],
  ['two lengths', block(':status', '200', 'content-length', '5', 'content-length', '6'), /content-length/],
  ['a length that is not a number', block(':status', '200', 'content-length', '5, 5x'), /content-length/],
])('refuses a response with %s', (_what, head, problem) => {
  const writer = begun();
  expect(writer.head(head, false)).toBe('');
  expect(writer.problem).toMatch(problem);
});

it('refuses a body that is longer or shorter than its length', () => {
  const long = begun();
  long.head(block(':status', '200', 'content-length', '5'), false);
  expect([long.before(6), long.problem]).toEqual(['', 'the body is longer than content-length says']);
  const short = begun();
  short.head(block(':status', '200', 'content-length', '5'), false);
  short.before(4);
  expect([short.end(undefined), short.problem]).toEqual(['', 'the body is shorter than content-length says']);
  const none = begun();
  expect(none.head(block(':status', '200', 'content-length', '5'), true)).toBe('');
  expect(none.problem).toBe('the body is shorter than content-length says');
});

it('refuses a body where none is allowed', () => {
  const writer = begun(true);
  writer.head(block(':status', '200', 'content-length', '5'), false);
  expect([writer.before(5), writer.problem]).toEqual(['', 'the response has a body, which it must not have']);
});

it('refuses trailers with a line end', () => {
  const writer = begun();
  writer.head(block(':status', '200'), false);
  expect([writer.end(block('x-a', '1\r\n\r\nHTTP/1.1 200 OK')), writer.problem]).toEqual([
    '',
    expect.stringContaining('x-a'),
  ]);
});
