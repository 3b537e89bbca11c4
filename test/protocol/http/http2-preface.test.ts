import { expect, it } from 'vitest';
import { protocolOf } from '../../../src/protocol/http/http2-preface.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

it.each([
  ['the whole preface', PREFACE, 'http2'],
  ['its first line', 'PRI * HTTP/2.0\r\n', 'http2'],
  ['the beginning of its first line', 'PRI *', 'incomplete'],
  ['no bytes', '', 'incomplete'],
  ['a request of HTTP/1.1', 'GET / HTTP/1.1\r\n', 'http1'],
  ['a method that begins like the preface', 'PRINT / HTTP/1.1\r\n', 'http1'],
])('detects the protocol from %s', (_, bytes, protocol) =>
  expect(protocolOf(Buffer.from(bytes))).toBe(protocol),
);
