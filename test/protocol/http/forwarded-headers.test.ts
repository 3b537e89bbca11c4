import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowedTrailers,
  headersToClient,
  headersToReplica,
  type ForwardedRequest,
} from '../../../src/protocol/http/forwarded-headers.ts';
import { headerValues } from '../../kit/replica.ts';

const request: ForwardedRequest = {
  id: 'f'.repeat(37),
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
  isClientTrace: true,
  remoteAddress: '10.0.0.9',
  subjectHeader: undefined,
  clientSubject: '',
  proto: 'http',
  host: 'm.example',
};

const flat = (list: [string, string[]][]): string[] =>
  list.flatMap(([name, values]) => values.flatMap((v) => [name, v]));

describe('headersToReplica', () => {
  it('quotes IPv6 addresses and hosts with a port in Forwarded', () => {
    const forwarded = (of: Partial<ForwardedRequest>) =>
      headerValues(flat(headersToReplica([], { ...request, ...of }, undefined, false)), 'forwarded')[0];
    expect(forwarded({})).toBe('for=10.0.0.9;host=m.example;proto=http');
    expect(forwarded({ remoteAddress: '2001:db8::1' })).toBe('for="[2001:db8::1]";host=m.example;proto=http');
    expect(forwarded({ host: 'm.example:8080' })).toBe('for=10.0.0.9;host="m.example:8080";proto=http');
    expect(forwarded({ remoteAddress: '' })).toBe('for=unknown;host=m.example;proto=http');
  });

  it('replaces or drops headers that only weir may set', () => {
    const token = fc.constantFrom(
      'X-A',
      'x-b',
      'Cookie',
      'X-Baseten-Request-Id',
      'TRACEPARENT',
      'Host',
      'Content-Length',
      'Upgrade',
      'Keep-Alive',
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(token, fc.constantFrom('1', 'x', 'a, b')), { maxLength: 12 }),
        fc.option(token),
        (pairs, named) => {
          const out = flat(headersToReplica(pairs.flat(), request, named ?? undefined, false));
          expect(headerValues(out, 'x-baseten-request-id')).toEqual([request.id]);
          expect(headerValues(out, 'traceparent')).toEqual([request.traceparent]);
          expect(headerValues(out, 'host')).toEqual([request.host]);
          for (const name of ['upgrade', 'keep-alive', 'connection'])
            expect(headerValues(out, name)).toEqual([]);
          expect(headerValues(out, 'content-length')).toHaveLength(
            pairs.filter(([n]) => n === 'Content-Length').length,
          );
        },
      ),
    );
  });
});

describe('headersToClient', () => {
  it('drops headers that Connection names and keeps the order of the rest', () => {
    const raw = ['A', '1', 'Connection', 'close, X-Hop', 'X-Hop', 'h', 'Set-Cookie', 'a', 'Set-Cookie', 'b'];
    expect(headersToClient(raw, 'close, X-Hop', 'id', false)).toEqual([
      'A',
      '1',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
      'X-Baseten-Request-Id',
      'id',
    ]);
  });
});

describe('allowedTrailers', () => {
  it('drops trailers that frame or route a message', () => {
    const raw = [
      'X-Sum',
      '1',
      'Content-Length',
      '5',
      'Transfer-Encoding',
      'chunked',
      'Host',
      'evil',
      'Grpc-Status',
      '0',
      'Set-Cookie',
      'x',
    ];
    expect(allowedTrailers(raw)).toEqual([
      ['X-Sum', '1'],
      ['Grpc-Status', '0'],
    ]);
  });

  it('drops trailers that weir sets and trailers that belong in a head', () => {
    const forbidden = [
      'X-Forwarded-For',
      'x_forwarded_for',
      'Forwarded',
      'X-Baseten-Request-Id',
      'X_Baseten-Request_Id',
      'X-Request-Id',
      'traceparent',
      'tracestate',
      'Content_Length',
      'transfer_encoding',
      'Cache-Control',
      'Range',
      'If-None-Match',
      'WWW-Authenticate',
      'Location',
      'Retry-After',
      'Date',
    ];
    const raw = [...forbidden.flatMap((name) => [name, '1']), 'Server-Timing', 'db;dur=1', 'ETag', '"a"'];
    expect(allowedTrailers(raw)).toEqual([
      ['Server-Timing', 'db;dur=1'],
      ['ETag', '"a"'],
    ]);
  });
});
