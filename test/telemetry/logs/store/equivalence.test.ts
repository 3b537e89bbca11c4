// All stores answer every query as a list of records does that is searched from its beginning to its end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { folder } from '../../../kit/folder.ts';
import { byId, question } from './arbitrary-questions.ts';
import { drain } from './arbitrary-rows.ts';
import { expectAnswers, expectEachRecord, expectFeed, expectPages } from './expect-answers.ts';
import { ReferenceStore } from './reference-store.ts';
import { STORES } from './store-under-test.ts';

const DAYS = ['20261120', '20261121', '20261122'] as const;
const drains = fc.array(drain, { maxLength: 2 });

describe.each(STORES)('%s', (_, open, rules) => {
  it('answer every query on any records like a search of a list', () => {
    let matching = 0;
    let isPartial = 0;
    fc.assert(
      fc.property(
        fc.tuple(drains, drains, drains),
        fc.array(question, { minLength: 3, maxLength: 6 }),
        (days, questions) => {
          const reference = new ReferenceStore(rules);
          const path = folder();
          let store = open(path);
          try {
            for (const [day, drains] of days.entries())
              for (const given of drains.filter(({ length }) => length > 0)) {
                store.append(given, DAYS[day]!);
                reference.append(given, DAYS[day]!);
                expectFeed(store.reader, reference, questions[0]!);
                expectPages(store.reader, reference, questions[0]!, 'down');
              }
            store.close();
            store = open(path);
            for (const question of questions) {
              expectAnswers(store.reader, reference, question);
              expectAnswers(store.reader, reference, byId(question, reference.all));
              const found = reference.matching(question.node).length;
              matching += found;
              if (found > 0 && found < reference.all.length) isPartial++;
            }
            expectEachRecord(store.reader, reference);
          } finally {
            store.close();
          }
        },
      ),
      { numRuns: 30 },
    );
    // Queries matched, and many of them only some of the records.
    expect(matching).toBeGreaterThan(300);
    expect(isPartial).toBeGreaterThan(20);
  }, 120_000);
});
