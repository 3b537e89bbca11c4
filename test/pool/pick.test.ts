import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leastOutstanding } from '../../src/pool/pick.ts';
import { Replica } from '../../src/pool/replica.ts';

it('picks a ready replica that holds the fewest, or none when none is ready', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.nat(5)), { minLength: 1, maxLength: 8 }),
      fc.nat(20),
      (states, start) => {
        const replicas = states.map(([isReady, outstanding], i) => {
          const container = { cgroup: 'auto', pid: 0, docker: '' };
          const url = { protocol: 'http:' as const, host: 'x', port: 1, href: 'http://x:1' };
          const replica = new Replica({ id: `r${i}`, url, gpus: [], container }, () => undefined);
          replica.outstanding = outstanding;
          if (isReady) replica.to('ready');
          return replica;
        });
        const picked = leastOutstanding(replicas, start);
        const ready = replicas.filter((replica) => replica.isReady);
        if (ready.length === 0) expect(picked).toBeUndefined();
        else {
          expect(picked!.isReady).toBe(true);
          expect(picked!.outstanding).toBe(Math.min(...ready.map((replica) => replica.outstanding)));
        }
      },
    ),
  );
});
