// Places and waiting over several data threads, in one process with every order of messages and atomic operations.
import fc from 'fast-check';
import { it } from 'vitest';
import { PoolSimulation } from '../../kit/pool-simulation.ts';

it('keeps limits and the order of the line over threads, and grants every request, also when threads end', () => {
  fc.assert(
    fc.property(
      fc.record({
        threads: fc.integer({ min: 2, max: 4 }),
        replicas: fc.integer({ min: 1, max: 3 }),
        cap: fc.integer({ min: 1, max: 3 }),
        maxQueue: fc.integer({ min: 0, max: 6 }),
        hasRetries: fc.boolean(),
      }),
      fc.integer({ min: 1, max: 300 }),
      fc.nat(),
      (settings, operations, seed) => new PoolSimulation(settings).run(operations, seed),
    ),
    { numRuns: 100, endOnFailure: true },
  );
});
