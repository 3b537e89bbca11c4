// The words of messages for the filters of pages.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashOfWord } from '../../../../src/telemetry/logs/query/word-hash.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { addHashes, HashList } from '../../../../src/telemetry/logs/store/page-words.ts';
import { recordOf } from '../query/arbitrary.ts';
import { lineRow } from './stored-rows.ts';

const part = fc.constantFrom(
  '2026-11-20',
  ' ',
  '12:00:00',
  '12:00:01',
  'INFO',
  'u',
  '1',
  '12',
  ' Größe',
  '显存',
  '显',
  'ö',
  '\n',
);
const message = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''));

it('finds every word of every message, however alike the messages before are', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 10 }), fc.nat(9), (messages, skipped) => {
      const rows = new BlockRows(1);
      for (const one of messages) lineRow(recordOf({ message: one })).addTo(rows);
      const from = skipped % messages.length;
      const hashes = new HashList(8192);
      addHashes(rows, from, messages.length, hashes);
      const expected = messages.slice(from).flatMap((one) => wordsOf(one).map(hashOfWord));
      expect(new Set(hashes.list)).toEqual(new Set(expected));
    }),
    { numRuns: 1000 },
  );
});
