// A store answers without its deleted records like a list without them: when they are hidden, when the files are written
// anew, and after a restart.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hideRecords } from '../../../../src/telemetry/logs/store/hide-records.ts';
import { FileRewrite } from '../../../../src/telemetry/logs/store/rewrite-file.ts';
import { listSegments } from '../../../../src/telemetry/logs/store/segments.ts';
import { SeqSet } from '../../../../src/telemetry/logs/store/seq-set.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { folder } from '../../../kit/folder.ts';
import { byId, question } from './arbitrary-questions.ts';
import { drain } from './arbitrary-rows.ts';
import { expectAnswers, expectEachRecord } from './expect-answers.ts';
import { ReferenceStore } from './reference-store.ts';
import { STORES } from './store-under-test.ts';

const DAYS = ['20261120', '20261121'] as const;
const drains = fc.array(drain, { maxLength: 3 });
const [, open, rules] = STORES[1]!;

/** Hides records in the files that have them. */
function hide(path: string, seqs: readonly number[]): void {
  const hidden = new SeqSet();
  for (const seq of seqs) hidden.add(seq);
  const segments = listSegments(path);
  for (const [i, { path: file, firstSeq }] of segments.entries())
    hideRecords(file, hidden, firstSeq, (segments[i + 1]?.firstSeq ?? Infinity) - 1);
}

/** Writes all files anew. `between`: is called in the middle of each. */
function rewrite(path: string, between: () => void = () => undefined): void {
  const fail = (problem: string) => {
    throw new Error(problem);
  };
  const reader = new StoreReader(path, { damaged: fail, damagedPage: fail }, 60_000);
  for (const { segment, leftOut } of reader.leftOut.files()) {
    const work = new FileRewrite(path, segment, (seq) => reader.leftOut.has(seq), { leftOut });
    for (let isDone = false; !isDone;) isDone = work.step();
    between();
    work.finish();
  }
  reader.close();
}

describe('a store with deleted records', () => {
  it('answers like a list without them', () => {
    let deleted = 0;
    fc.assert(
      fc.property(
        fc.tuple(drains, drains, drains),
        fc.array(question, { minLength: 3, maxLength: 4 }),
        ([first, second, later], [selection, ...questions]) => {
          const reference = new ReferenceStore(rules);
          const path = folder();
          let store = open(path);
          const append = (all: typeof first, day: string): void => {
            for (const given of all.filter(({ length }) => length > 0)) {
              store.append(given, day);
              reference.append(given, day);
            }
          };
          const expectSameAnswers = (): void => {
            for (const one of questions) {
              expectAnswers(store.reader, reference, one);
              expectAnswers(store.reader, reference, byId(one, reference.all));
            }
            expectEachRecord(store.reader, reference);
          };
          const remove = (seqs: readonly number[]): void => {
            deleted += seqs.length;
            hide(path, seqs);
            reference.delete(seqs);
          };
          try {
            append(first, DAYS[0]);
            append(second, DAYS[1]);
            if (reference.headSeq === 0) return;
            expectAnswers(store.reader, reference, questions[0]!);
            remove(reference.matching(selection!.node).map(({ seq }) => seq));
            expectSameAnswers();
            store.close();
            // More records are deleted while files are written anew.
            let left = reference.all.filter((_, i) => i % 3 === 0).map(({ seq }) => seq);
            rewrite(path, () => {
              remove(left);
              left = [];
            });
            store = open(path);
            expectSameAnswers();
            append(later, DAYS[1]);
            expectSameAnswers();
            store.close();
            rewrite(path);
            store = open(path);
            expectSameAnswers();
          } finally {
            store.close();
          }
        },
      ),
      { numRuns: 40 },
    );
    expect(deleted).toBeGreaterThan(200);
  }, 240_000);
});
