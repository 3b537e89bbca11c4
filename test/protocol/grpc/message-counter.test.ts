import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MessageCounter } from '../../../src/protocol/grpc/message-counter.ts';

function framed(message: Uint8Array, isCompressed: boolean): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = isCompressed ? 1 : 0;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

it('counts messages and their bytes at every split of the stream', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.uint8Array({ maxLength: 700 }), fc.boolean()), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (messages, splits) => {
        const bytes = Buffer.concat(messages.map(([message, is]) => framed(message, is)));
        const at = [0, ...splits.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const counter = new MessageCounter();
        for (let i = 1; i < at.length; i++) counter.count(bytes.subarray(at[i - 1], at[i]));
        const sizes = messages.map(([message]) => message.length);
        expect(counter.messages).toBe(messages.length);
        expect(counter.payloadBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
        expect(counter.largestBytes).toBe(Math.max(0, ...sizes));
        expect(counter.isWhole).toBe(true);
      },
    ),
  );
});

it('reads the length of a message above 2 GiB from its prefix', () => {
  const counter = new MessageCounter();
  counter.count(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  expect(counter.messageBytes).toBe(2 ** 32 - 1);
  expect(counter.isWhole).toBe(false);
});
