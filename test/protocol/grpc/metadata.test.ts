import { expect, it } from 'vitest';
import { metadataToReplica } from '../../../src/protocol/grpc/metadata.ts';
import { headerValues } from '../../kit/replica.ts';

const hop = {
  id: 'f'.repeat(37),
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
  remoteAddress: '10.0.0.9',
  isClientTrace: false,
};

it.each([
  [[], [hop.id]],
  [['x-request-id', 'mine'], ['mine']],
  [
    ['x-request-id', 'a', 'x-request-id', 'b'],
    ['a', 'b'],
  ],
])('metadata %j reaches the replica with the x-request-id %j', (sent, expected) => {
  const out = metadataToReplica([':path', '/a.B/C', ...sent], hop, 'http', '');
  expect(headerValues(out, 'x-request-id')).toEqual(expected);
  expect(headerValues(out, 'x-baseten-request-id')).toEqual([hop.id]);
});
