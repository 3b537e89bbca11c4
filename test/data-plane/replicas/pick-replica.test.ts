import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leastLoaded } from '../../../src/data-plane/replicas/pick-replica.ts';
import { Replica } from '../../../src/data-plane/replicas/replica.ts';
import { replicaOptions } from '../../kit/deployment.ts';

it('picks the ready replica with the fewest requests below the cap, and the one to avoid only as a last resort', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.nat(5)), { minLength: 1, maxLength: 8 }),
      fc.nat(20),
      fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 5 })),
      fc.option(fc.nat(7), { nil: undefined }),
      (states, start, cap, avoided) => {
        const replicas = states.map(([isReady, outstanding], i) => {
          const replica = new Replica(replicaOptions(`r${i}`), () => undefined);
          for (let i = 0; i < outstanding; i++) replica.takeIf(replica.word);
          if (isReady) replica.setState('ready');
          return replica;
        });
        const avoid = avoided === undefined ? undefined : replicas[avoided];
        const picked = leastLoaded(replicas, start, cap, avoid);
        const free = replicas.filter((replica) => replica.isReady && replica.outstanding < cap);
        const others = free.filter((replica) => replica !== avoid);
        if (free.length === 0) expect(picked).toBeUndefined();
        else if (others.length === 0) expect(picked).toBe(avoid);
        else {
          expect(others).toContain(picked);
          expect(picked!.outstanding).toBe(Math.min(...others.map((replica) => replica.outstanding)));
        }
      },
    ),
  );
});

it('gives a returning replica its full share step by step', () => {
  const back = new Replica(replicaOptions('back'), () => undefined, 60_000);
  back.setState('ready');
  expect(back.load).toBe(0);
  back.setState('down');
  back.setState('ready');
  // The share starts at a tenth, so the load is scaled by ten.
  expect(back.load).toBeCloseTo(9, 0);
  const quick = new Replica(replicaOptions('quick'), () => undefined, 0);
  quick.setState('down');
  quick.setState('ready');
  expect(quick.load).toBe(0);
});
