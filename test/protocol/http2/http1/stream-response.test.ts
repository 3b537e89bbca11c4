// Responses of HTTP/1.1 on a stream of HTTP/2.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamResponse } from '../../../../src/protocol/http2/http1/stream-response.ts';
import { RecordedStream } from '../../../kit/recorded-stream.ts';

interface Options {
  readonly isToHead?: boolean;
  readonly mayTunnel?: boolean;
  /** Where the bytes are cut. */
  readonly cuts?: readonly number[];
  /** The lane ends its side. */
  readonly ends?: boolean;
}

/** What a stream gets of a response: events as text, `broken` if it is none, `open` if it is not complete. */
function read(response: string, { isToHead = false, mayTunnel = false, cuts = [], ends }: Options = {}) {
  const stream = new RecordedStream();
  const reader = new StreamResponse();
  reader.begin(stream, isToHead, mayTunnel);
  const bytes = Buffer.from(response, 'latin1');
  const ordered = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  for (let i = 1; i < ordered.length; i++)
    if (!reader.read(bytes, ordered[i - 1]!, ordered[i]!)) stream.events.push('broken');
  if (ends === true && !reader.end()) stream.events.push('cut off');
  if (!reader.isWhole) stream.events.push('open');
  return { events: stream.events, reader };
}

describe('the head', () => {
  it('becomes a header block with names in lower case and without the fields of the connection', () => {
    const { events, reader } = read(
      'HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: keep-alive\r\n' +
        'Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-A: 1\r\nx-a: 2\r\nX-Empty:\r\n\r\nno',
    );
    expect(events).toEqual([
      'head :status=404 content-type=text/plain content-length=2 x-a=1 x-a=2 x-empty=',
      'data no',
      'end',
    ]);
    expect(reader.isReusable).toBe(true);
  });

  it('passes interim heads before it', () => {
    const { events } = read(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    );
    expect(events).toEqual(['head :status=100', 'head :status=103 link=</a>', 'head :status=204', 'end']);
  });

  it('ends the stream if there is no body', () => {
    expect(read('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n').events).toEqual([
      'head :status=304 content-length=9',
      'end',
    ]);
    const toHead = read('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', { isToHead: true });
    expect(toHead.events).toEqual(['head :status=200 content-length=9', 'end']);
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').events).toEqual([
      'head :status=200 content-length=0',
      'end',
    ]);
  });

  it('tells that the connection is not used again after Connection: close', () => {
    const { reader } = read('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    expect(reader.isReusable).toBe(false);
  });

  it.each([
    ['another version', 'HTTP/1.0 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a line without a colon', 'HTTP/1.1 200 OK\r\nabc\r\n\r\n'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n'],
    ['a length that is not a number', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'],
    ['an upgrade that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
  ])('is broken with %s', (_, response) => {
    expect(read(response).events).toEqual(['broken', 'open']);
  });
});

describe('the body', () => {
  it('is broken if more comes than its length', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc').events.at(-1)).toBe('broken');
  });

  it('is decoded if it comes in chunks', () => {
    const { events } = read(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    );
    expect(events).toEqual(['head :status=200', 'data abc', 'data de', 'end']);
  });

  it('ends an empty chunked body', () => {
    const { events } = read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    expect(events).toEqual(['head :status=200', 'end']);
  });

  it('has trailers, in lower case', () => {
    const { events } = read(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum:  4 2 \r\n\r\n',
    );
    expect(events).toEqual(['head :status=200 trailer=X-Sum', 'data a', 'head x-sum=4 2', 'end']);
  });

  it('ends with the connection if nothing else says where it ends', () => {
    const response = 'HTTP/1.1 200 OK\r\n\r\nall of it';
    const whole = read(response, { ends: true });
    expect(whole.events).toEqual(['head :status=200', 'data all of it', 'end']);
    expect(whole.reader.isReusable).toBe(false);
    expect(read(response).events.at(-1)).toBe('open');
  });

  it('is cut off if the connection ends before it', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', { ends: true }).events.slice(2)).toEqual([
      'cut off',
      'open',
    ]);
    const chunked = read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc', { ends: true });
    expect(chunked.events.slice(2)).toEqual(['cut off', 'open']);
  });
});

describe('an extended CONNECT', () => {
  it('is answered with 200 instead of 101, and then passes all bytes', () => {
    const { events, reader } = read(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n' +
        'Sec-WebSocket-Protocol: chat\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
      { mayTunnel: true },
    );
    expect(events).toEqual([
      'head :status=200 sec-websocket-protocol=chat',
      'data HTTP/1.1 200 OK\r\n\r\n',
      'open',
    ]);
    expect(reader.isReusable).toBe(false);
  });

  it('is answered 502 if the replica responds as if it were a request, since 200 would open it', () => {
    const { events } = read('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { mayTunnel: true });
    expect(events).toEqual(['head :status=502 content-length=2', 'data ok', 'end']);
  });

  it('passes a refusal on', () => {
    const { events, reader } = read('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', {
      mayTunnel: true,
    });
    expect(events).toEqual(['head :status=403 content-length=2', 'data no', 'end']);
    expect(reader.isReusable).toBe(false);
  });
});

it('sends the same however the bytes are cut', () => {
  const responses = [
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\nX: y\r\n\r\nhello world',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\nhello world',
  ];
  // Pieces of data in a row are one.
  const joined = (events: readonly string[]) => {
    const all: string[] = [];
    for (const event of events) {
      if (event.startsWith('data ') && all.at(-1)?.startsWith('data ') === true)
        all.push(all.pop()! + event.slice(5));
      else all.push(event);
    }
    return all;
  };
  fc.assert(
    fc.property(fc.constantFrom(...responses), fc.array(fc.nat(), { maxLength: 8 }), (response, cuts) => {
      const uncut = read(response, { ends: true });
      expect(joined(read(response, { cuts, ends: true }).events)).toEqual(joined(uncut.events));
    }),
  );
});
