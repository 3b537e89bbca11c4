import fc from 'fast-check';
import { expect, it } from 'vitest';
import { trailersFrame, WebResponseBody } from '../../../src/protocol/grpc/web-response.ts';

function framed(message: Uint8Array, flags: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const TRAILERS = ['grpc-status', '0', 'grpc-message', '', 'a-bin', 'AAE='];
const messages = fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(0, 1)), {
  maxLength: 6,
});
const places = fc.array(fc.nat(), { maxLength: 12 });

/** Bytes of text in base64, as a client reads it: group by group, since padding may stand in the middle. */
const bytesOf = (text: string): Buffer =>
  Buffer.concat((text.match(/.{4}/g) ?? []).map((group) => Buffer.from(group, 'base64')));

it('passes messages unchanged at every split, the trailers last, in binary and in text', () => {
  fc.assert(
    fc.property(messages, places, fc.boolean(), (some, where, isText) => {
      const bytes = Buffer.concat(some.map(([message, flags]) => framed(message, flags)));
      const at = [0, ...where.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const body = new WebResponseBody(isText);
      const sent: (Buffer | string)[] = [];
      for (let i = 1; i < at.length; i++) {
        sent.push(body.messages(bytes.subarray(at[i - 1], at[i])));
        // Messages that are complete have left, whatever follows.
        if (body.counter.isWhole) expect(bytesSent(sent, isText)).toEqual(bytes.subarray(0, at[i]));
      }
      sent.push(body.trailers(TRAILERS));
      expect(bytesSent(sent, isText)).toEqual(Buffer.concat([bytes, trailersFrame(TRAILERS)]));
    }),
  );
});

function bytesSent(sent: readonly (Buffer | string)[], isText: boolean): Buffer {
  if (!isText) return Buffer.concat(sent as Buffer[]);
  const text = sent.join('');
  expect(text.length % 4).toBe(0);
  return bytesOf(text);
}

it('pads text between messages only, so that each message is base64 of its own', () => {
  const body = new WebResponseBody(true);
  const [one, two] = [framed(Buffer.alloc(3), 0), framed(Buffer.alloc(700), 0)];
  const both = Buffer.concat([one, two]);
  const text = [body.messages(both.subarray(0, 100)), body.messages(both.subarray(100))].join('');
  expect(text).toBe(one.toString('base64') + two.toString('base64'));
});

it('writes trailers as lines of HTTP/1.1 in a frame with the highest bit set', () => {
  const lines = 'grpc-status: 5\r\nname: a\xe9\r\nname: b\r\n';
  expect(trailersFrame(['grpc-status', '5', 'name', 'a\xe9', 'name', 'b'])).toEqual(
    Buffer.concat([Buffer.from([0x80, 0, 0, 0, lines.length]), Buffer.from(lines, 'latin1')]),
  );
});

it('lets no value of a trailer begin another line', () => {
  const text = trailersFrame(['a', 'b\r\ngrpc-status: 0\n\0c']).toString('latin1', 5);
  expect(text).toBe('a: b  grpc-status: 0  c\r\n');
});

it('stops before a message whose flags are none of gRPC, at every split, in binary and in text', () => {
  const flags = fc.integer({ min: 2, max: 255 });
  fc.assert(
    fc.property(messages, flags, places, fc.boolean(), (some, wrong, where, isText) => {
      const good = Buffer.concat(some.map(([message, one]) => framed(message, one)));
      const bytes = Buffer.concat([good, framed(Buffer.from('grpc-status: 0\r\n'), wrong)]);
      const at = [0, ...where.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const body = new WebResponseBody(isText);
      const sent: (Buffer | string)[] = [];
      for (let i = 1; i < at.length; i++) sent.push(body.messages(bytes.subarray(at[i - 1], at[i])));
      expect(body.problem).toBe(`a message has the flags 0x${wrong.toString(16)}`);
      expect(bytesSent(sent, isText)).toEqual(good);
      expect(body.counter.isWhole).toBe(true);
    }),
  );
});
