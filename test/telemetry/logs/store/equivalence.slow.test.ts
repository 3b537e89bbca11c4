// The stores with so many records that reading them takes several steps: limits of rows, and parts of a file.
import fc from 'fast-check';
import { it } from 'vitest';
import { folder } from '../../../kit/folder.ts';
import { question } from './arbitrary-questions.ts';
import { drain } from './arbitrary-rows.ts';
import { expectAnswers } from './expect-answers.ts';
import { ReferenceStore } from './reference-store.ts';
import { STORES } from './store-under-test.ts';

/** Days, and how many records are stored on each. */
const DAYS = [
  ['20261120', 40_000],
  ['20261121', 3000],
] as const;
const DRAIN = 500;

it.each(STORES)(
  '%s answer queries on 43,000 records like a search of a list',
  (_, open, rules) => {
    // Named by a failed run, to repeat it.
    const seed = Date.now();
    const reference = new ReferenceStore(rules);
    const store = open(folder());
    try {
      for (const [day, count] of DAYS) {
        const sampled = fc.sample(drain, { numRuns: 200, seed: seed + count }).flat();
        for (let from = 0; from < count; from += DRAIN) {
          const given = Array.from({ length: DRAIN }, (_, i) => sampled[(from + i) % sampled.length]!);
          store.append(given, day);
          reference.append(given, day);
        }
      }
      for (const sampled of fc.sample(question, { numRuns: 4, seed })) {
        const asked = { ...sampled, limit: 1000 };
        expectAnswers(store.reader, reference, asked);
      }
    } catch (error) {
      throw new Error(`with the seed ${seed}`, { cause: error });
    } finally {
      store.close();
    }
  },
  120_000,
);
