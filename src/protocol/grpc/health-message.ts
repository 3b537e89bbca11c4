// Encodes and decodes the two messages of grpc.health.v1.Health/Check.
// Invariant: unknown fields are skipped, as protobuf requires.
// By hand, since each message has one field, and protobufjs would need 0.5 MB of memory in each weir with a gRPC
// replica.
// Source: grpc/health/v1/health.proto: HealthCheckRequest.service = 1, HealthCheckResponse.status = 1.

export const HEALTH_PATH = '/grpc.health.v1.Health/Check';
/** The status of a healthy service. */
export const SERVING = 1;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest with its five-byte prefix. `service`: at most 127 bytes; empty means the whole server. */
export function healthRequestMessage(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The status in an uncompressed HealthCheckResponse with its prefix; `undefined` if it is malformed. */
export function readHealthStatus(response: Buffer): number | undefined {
  if (response.length < 5 || response[0] !== 0 || response.readUInt32BE(1) !== response.length - 5)
    return undefined;
  let status = 0;
  for (let at = 5; at < response.length;) {
    const [key, afterKey] = readVarint(response, at);
    const [value, afterValue] = readVarint(response, afterKey);
    if (Number.isNaN(value)) return undefined;
    const wireType = key % 8;
    if (key === 0x08) status = value;
    if (wireType === 0) at = afterValue;
    else if (wireType === 2) at = afterValue + value;
    else at = afterKey + (wireType === 1 ? 8 : 4);
  }
  return status;
}

/** The name of a status, for error texts. */
export const healthStatusName = (status: number | undefined): string =>
  status === undefined ? 'a malformed response' : (STATUS_NAMES[status] ?? String(status));

/** Reads a varint of at most 8 bytes. Returns its value and the index after it; NaN if it has no end. */
function readVarint(bytes: Buffer, from: number): [number, number] {
  let value = 0;
  for (let at = from, factor = 1; at < bytes.length && at < from + 8; at++, factor *= 128) {
    value += (bytes[at]! & 0x7f) * factor;
    if (bytes[at]! < 0x80) return [value, at + 1];
  }
  return [Number.NaN, bytes.length];
}
