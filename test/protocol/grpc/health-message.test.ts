// Compares the hand-written health messages with protobufjs.
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { expect, it } from 'vitest';
import { healthRequestMessage, readHealthStatus } from '../../../src/protocol/grpc/health-message.ts';

const proto = protobuf.loadSync(fileURLToPath(new URL('../../../proto/health.proto', import.meta.url)));
const request = proto.lookupType('grpc.health.v1.HealthCheckRequest');
const response = proto.lookupType('grpc.health.v1.HealthCheckResponse');

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

it('encodes the same request as protobufjs', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{0,120}$/), (service) => {
      // protobufjs encodes an empty string unless the field is absent.
      const message = request.encode(service === '' ? {} : { service }).finish();
      expect(healthRequestMessage(service)).toEqual(framed(message));
    }),
  );
});

it('decodes the responses that protobufjs encodes', () => {
  for (const status of [0, 1, 2, 3])
    expect(readHealthStatus(framed(response.encode({ status }).finish()))).toBe(status);
  expect(readHealthStatus(framed(new Uint8Array()))).toBe(0);
});

it('skips unknown fields before and after the status', () => {
  expect(readHealthStatus(Buffer.from([0, 0, 0, 0, 8, 0x12, 1, 0x7a, 8, 2, 0x18, 0x96, 1]))).toBe(2);
});

it('accepts any bytes', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void readHealthStatus(Buffer.from(bytes))));
});
