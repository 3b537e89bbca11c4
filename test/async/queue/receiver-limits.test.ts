import fc from 'fast-check';
import { expect, it } from 'vitest';
import { receiverKey, ReceiverLimits } from '../../../src/async/queue/receiver-limits.ts';

it('uses the origin of a URL as the key of its receiver', () => {
  expect(receiverKey('https://a.example/x?y=1')).toBe('https://a.example/');
  expect(receiverKey('https://a.example:8443/x')).toBe('https://a.example:8443/');
  expect('https://a.example.evil.org/'.startsWith(receiverKey('https://a.example/x'))).toBe(false);
});

it('allows a receiver three quarters of the deliveries, an eighth after a failure, and three quarters again', () => {
  const receivers = new ReceiverLimits(16);
  const begin = (n: number) => {
    for (let i = 0; i < n; i++) receivers.began('a');
  };
  begin(11);
  expect(receivers.busy).toEqual([]);
  begin(1);
  expect(receivers.busy).toEqual(['a']);
  for (let i = 0; i < 10; i++) receivers.ended('a', false);
  expect(receivers.busy).toEqual(['a']);
  receivers.ended('a', false);
  expect(receivers.busy).toEqual([]);
  begin(1);
  expect(receivers.busy).toEqual(['a']);
  receivers.ended('a', true);
  begin(10);
  expect(receivers.busy).toEqual([]);
});

it('never blocks a receiver for good, and leaves a slot for another receiver if there is more than one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 300 }),
      (slots, steps) => {
        const receivers = new ReceiverLimits(slots);
        const running = new Map<string, number>();
        for (const [key, isDelivered] of steps) {
          const n = running.get(key) ?? 0;
          if (!receivers.busy.includes(key)) {
            receivers.began(key);
            running.set(key, n + 1);
            expect(n + 1).toBeLessThanOrEqual(Math.max(1, slots - 1));
          } else {
            expect(n).toBeGreaterThan(0);
            receivers.ended(key, isDelivered);
            running.set(key, n - 1);
          }
        }
        for (const [key, n] of running) for (let i = 0; i < n; i++) receivers.ended(key, false);
        expect(receivers.busy).toEqual([]);
      },
    ),
  );
});
