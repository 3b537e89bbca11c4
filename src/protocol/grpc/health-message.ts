// The two messages of grpc.health.v1.Health/Check, which need no library.
// Must stay true: fields that are not known are skipped, as protocol buffers have it.
// Source: grpc/health/v1/health.proto: HealthCheckRequest.service = 1, HealthCheckResponse.status = 1.

export const HEALTH_PATH = '/grpc.health.v1.Health/Check';
/** The one status that is well. */
export const SERVING = 1;
const NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** The request about a service (empty: the server as a whole), with its five bytes of framing. */
export function healthRequestMessage(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  // Names up to 127 bytes: their length is one byte.
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The status that a framed, uncompressed answer says, or `undefined` for one that cannot be read. */
export function readHealthStatus(answer: Buffer): number | undefined {
  if (answer.length < 5 || answer[0] !== 0 || answer.readUInt32BE(1) !== answer.length - 5) return undefined;
  let status = 0;
  for (let at = 5; at < answer.length;) {
    const [key, afterKey] = varint(answer, at);
    const [value, afterValue] = varint(answer, afterKey);
    if (Number.isNaN(value)) return undefined;
    const wireType = key % 8;
    if (key === 0x08) status = value;
    if (wireType === 0) at = afterValue;
    else if (wireType === 2) at = afterValue + value;
    else at = afterKey + (wireType === 1 ? 8 : 4);
  }
  return status;
}

/** A status in words. */
export const healthStatusName = (status: number | undefined): string =>
  status === undefined ? 'what cannot be read' : (NAMES[status] ?? String(status));

/** A number and where it ends; NaN where it has no end. */
function varint(bytes: Buffer, from: number): [number, number] {
  let value = 0;
  for (let at = from, factor = 1; at < bytes.length && at < from + 8; at++, factor *= 128) {
    value += (bytes[at]! & 0x7f) * factor;
    if (bytes[at]! < 0x80) return [value, at + 1];
  }
  return [Number.NaN, bytes.length];
}
