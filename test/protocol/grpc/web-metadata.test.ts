import { describe, expect, it } from 'vitest';
import {
  grpcSuffixOf,
  grpcTypeOf,
  responseFormatOf,
  webFormatOf,
  webTypeOf,
} from '../../../src/protocol/grpc/web-content-type.ts';
import {
  headersOfWebResponse,
  metadataOfWebRequest,
  trailersOfWebResponse,
} from '../../../src/protocol/grpc/web-metadata.ts';

describe('the content type', () => {
  it.each([
    ['application/grpc-web', false, ''],
    ['application/grpc-web+proto', false, '+proto'],
    ['Application/gRPC-Web+json; charset=utf-8', false, '+json'],
    ['application/grpc-web-text', true, ''],
    ['application/grpc-web-text+proto', true, '+proto'],
    ['application/grpc-web-text-base64', true, ''],
  ])('%s is gRPC-Web', (type, isText, suffix) => {
    const format = webFormatOf(type);
    expect(format).toEqual({ isText, suffix });
    expect(grpcTypeOf(format!)).toBe(`application/grpc${suffix}`);
  });

  it.each([
    undefined,
    '',
    'application/grpc',
    'application/grpc+proto',
    'application/grpc-website',
    'application/grpc-web-textual',
    'application/grpc-web+',
    'text/application/grpc-web',
    'application/grpc-web, application/grpc-web',
  ])('%s is not gRPC-Web', (type) => {
    expect(webFormatOf(type)).toBeUndefined();
  });

  it.each([
    [false, 'application/grpc', 'application/grpc-web'],
    [false, 'application/grpc+proto', 'application/grpc-web+proto'],
    [true, 'application/grpc+json; charset=utf-8', 'application/grpc-web-text+json'],
    [true, undefined, 'application/grpc-web-text'],
  ])('of a response in text (%s) of %s is %s', (isText, type, expected) => {
    expect(webTypeOf({ isText, suffix: grpcSuffixOf(type) })).toBe(expected);
  });
});

it.each([
  ['application/grpc-web-text', undefined, true],
  ['application/grpc-web-text', '*/*', true],
  ['application/grpc-web-text', 'application/grpc-web-text', true],
  ['application/grpc-web-text', 'application/grpc-web+proto', false],
  ['application/grpc-web', undefined, false],
  ['application/grpc-web', '*/*', false],
  ['application/grpc-web', 'application/grpc-web-text', true],
  ['application/grpc-web', 'application/grpc-web-text+proto, application/grpc-web', false],
])('answers a request of type %s that accepts %s in text: %s', (type, accept, expected) => {
  expect(responseFormatOf(webFormatOf(type)!, accept).isText).toBe(expected);
});

it('makes metadata of the headers of a request, without those that are for HTTP/1.1 or gRPC-Web', () => {
  const raw = [
    ['Host', 'weir:8080'],
    ['Connection', 'keep-alive, X-Hop'],
    ['X-Hop', '1'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Content-Type', 'application/grpc-web+proto'],
    ['Accept', '*/*'],
    ['Accept-Encoding', 'gzip'],
    ['TE', 'gzip'],
    ['Expect', '100-continue'],
    ['X-Grpc-Web', '1'],
    ['X-User-Agent', 'grpc-web-javascript/0.1'],
    ['Grpc-Timeout', '5S'],
    ['Name', 'a'],
    ['name', 'b'],
    ['Key-Bin', 'AAE='],
  ].flat();
  const method = { path: '/a.B/C', authority: 'weir:8080' };
  const format = { isText: false, suffix: '+proto' };
  expect(metadataOfWebRequest(raw, method, format, new Set(['x-hop']))).toEqual(
    [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/a.B/C'],
      [':authority', 'weir:8080'],
      ['content-type', 'application/grpc+proto'],
      ['te', 'trailers'],
      ['x-user-agent', 'grpc-web-javascript/0.1'],
      ['grpc-timeout', '5S'],
      ['name', 'a'],
      ['name', 'b'],
      ['key-bin', 'AAE='],
    ].flat(),
  );
});

it('makes headers of initial metadata, and leaves the status to the trailers', () => {
  const raw = [
    [':status', '200'],
    ['content-type', 'application/grpc+proto'],
    ['content-length', '7'],
    ['grpc-status', '0'],
    ['grpc-message', 'x'],
    ['grpc-encoding', 'identity'],
    ['name', 'a'],
    ['name', 'b'],
  ].flat();
  expect(headersOfWebResponse(raw, true)).toEqual(
    [
      ['content-type', 'application/grpc-web-text+proto'],
      ['grpc-encoding', 'identity'],
      ['name', 'a'],
      ['name', 'b'],
    ].flat(),
  );
});

it('makes trailers of a response that has only trailers', () => {
  const raw = [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
    ['grpc-message', 'none'],
    ['name', 'a'],
  ].flat();
  expect(trailersOfWebResponse(raw)).toEqual(['grpc-status', '5', 'grpc-message', 'none', 'name', 'a']);
});
