import { expect, it } from 'vitest';
import { CONTENT_TYPES, decode, encodings } from '../../../src/protocol/otlp/codec.ts';
import { rpcStatus } from '../../../src/protocol/otlp/messages.ts';
import { otlpError } from '../../../src/protocol/otlp/otlp-response.ts';

it.each(encodings)('encodes an error as a google.rpc.Status in %s', (encoding) => {
  const response = otlpError(encoding, 3, 'the body is truncated');
  expect(decode(encoding, rpcStatus, response.body)).toEqual({
    message: { code: 3, message: 'the body is truncated' },
  });
  expect(response.contentType).toBe(CONTENT_TYPES[encoding]);
});
