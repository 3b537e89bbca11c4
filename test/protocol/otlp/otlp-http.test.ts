// What becomes of the body of a request that says it is OTLP.
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { decode, encode, encodings } from '../../../src/protocol/otlp/codec.ts';
import { answerOf, errorOf, receive } from '../../../src/protocol/otlp/otlp-http.ts';
import { logsRequest, logsResponse, rpcStatus } from '../../../src/protocol/otlp/messages.ts';

const message = { resourceLogs: [] };
const received = (type: string | undefined, body: Uint8Array, packing?: string, maxBytes = 1000) =>
  receive(logsRequest, { 'content-type': type, 'content-encoding': packing }, body, maxBytes);

it('is read, packed or not', async () => {
  const json = encode('json', logsRequest, message);
  expect(await received('application/json', json)).toEqual({ encoding: 'json', message });
  expect(await received('application/json', gzipSync(json), 'GZIP')).toEqual({ encoding: 'json', message });
  expect(await received('application/x-protobuf', new Uint8Array())).toEqual({
    encoding: 'protobuf',
    message,
  });
});

it('is refused with the reason', async () => {
  const gzip = (bytes: number) => gzipSync(Buffer.alloc(bytes, ' '));
  const cases = [
    [
      await received('text/plain', Buffer.from('hi')),
      {
        encoding: 'json',
        status: 415,
        problem: 'Content-Type must be application/x-protobuf or application/json',
      },
    ],
    [
      await received('application/x-protobuf', Buffer.from('hi'), 'br'),
      { encoding: 'protobuf', status: 415, problem: 'Content-Encoding must be gzip or none' },
    ],
    [
      await received('application/json', Buffer.alloc(1001, ' ')),
      { encoding: 'json', status: 413, problem: 'the request must not have more than 1000 bytes' },
    ],
    // A few bytes that would become many.
    [
      await received('application/json', gzip(1_000_000), 'gzip', 2000),
      { encoding: 'json', status: 413, problem: 'the request must not have more than 2000 bytes' },
    ],
    [
      await received('application/json', Buffer.from('{}'), 'gzip'),
      { encoding: 'json', status: 400, problem: 'the body is no gzip: incorrect header check' },
    ],
    [
      await received('application/json', gzip(10).subarray(0, 12), 'gzip'),
      { encoding: 'json', status: 400, problem: 'the body is no gzip: unexpected end of file' },
    ],
    [
      await received('application/x-protobuf', Buffer.from([0x0a, 0x7f])),
      { encoding: 'protobuf', status: 400, problem: 'the body is cut off: it ends within a field' },
    ],
  ];
  for (const [what, wanted] of cases) expect(what).toEqual(wanted);
});

it.each(encodings)('is answered in its own encoding, %s', (encoding) => {
  const partial = { partialSuccess: { rejectedLogRecords: 2n, errorMessage: 'too old' } };
  const yes = answerOf(encoding, logsResponse, partial);
  expect(decode(encoding, logsResponse, yes.body)).toEqual({ message: partial });
  const no = errorOf(encoding, 3, 'the body is cut off');
  expect(decode(encoding, rpcStatus, no.body)).toEqual({
    message: { code: 3, message: 'the body is cut off' },
  });
  expect(no.contentType).toContain(encoding);
});
