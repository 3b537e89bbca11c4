import fc from 'fast-check';
import { expect, it } from 'vitest';
import { receiverKey, ReceiverLimits } from '../../../src/async/queue/receiver-limits.ts';

it('a receiver is known by the beginning that all its URLs have', () => {
  expect(receiverKey('https://a.example/x?y=1')).toBe('https://a.example/');
  expect(receiverKey('https://a.example:8443/x')).toBe('https://a.example:8443/');
  expect('https://a.example.evil.org/'.startsWith(receiverKey('https://a.example/x'))).toBe(false);
});

it('has three quarters of the places, an eighth after it has failed, and three quarters again', () => {
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

it('never stops anybody for good, and leaves room for another one where there is more than one place', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 300 }),
      (places, steps) => {
        const receivers = new ReceiverLimits(places);
        const running = new Map<string, number>();
        for (const [who, isTaken] of steps) {
          const n = running.get(who) ?? 0;
          if (!receivers.busy.includes(who)) {
            receivers.began(who);
            running.set(who, n + 1);
            expect(n + 1).toBeLessThanOrEqual(Math.max(1, places - 1));
          } else {
            expect(n).toBeGreaterThan(0);
            receivers.ended(who, isTaken);
            running.set(who, n - 1);
          }
        }
        for (const [who, n] of running) for (let i = 0; i < n; i++) receivers.ended(who, false);
        expect(receivers.busy).toEqual([]);
      },
    ),
  );
});
