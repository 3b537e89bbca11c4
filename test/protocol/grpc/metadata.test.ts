import { expect, it } from 'vitest';
import { metadataToReplica } from '../../../src/protocol/grpc/metadata.ts';
import { headerValues } from '../../kit/replica.ts';

const call = {
  id: 'f'.repeat(37),
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
  remoteAddress: '10.0.0.9',
  subjectHeader: undefined,
  clientSubject: '',
  isClientTrace: false,
};

it.each([
  [[], [call.id]],
  [['x-request-id', 'mine'], ['mine']],
  [
    ['x-request-id', 'a', 'x-request-id', 'b'],
    ['a', 'b'],
  ],
])('sends metadata %j to the replica with the x-request-id %j', (sent, expected) => {
  const out = metadataToReplica([':path', '/a.B/C', ...sent], call, 'http', '');
  expect(headerValues(out, 'x-request-id')).toEqual(expected);
  expect(headerValues(out, 'x-baseten-request-id')).toEqual([call.id]);
});
