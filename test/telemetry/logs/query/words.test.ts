import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexText, wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import { text as pieces } from './arbitrary.ts';
import { FullText } from './full-text.ts';

const anyText = fc.oneof(pieces, fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());

describe('wordsOf', () => {
  it.each([
    ['OutOfMemory: 3_retries, max-len=7', ['outofmemory', '3', 'retries', 'max', 'len', '7']],
    ['Größe überschritten, STRASSE straße', ['grosse', 'uberschritten', 'strasse', 'strasse']],
    ['İstanbul ISPARTA ışık IŞIK', ['istanbul', 'isparta', 'isik', 'isik']],
    ['فشل الاتصال بِالخَادِم أحمد مـــرحبا', ['فشل', 'الاتصال', 'بالخادم', 'احمد', 'مرحبا']],
    ['GPU显存不足', ['gpu', '显', '存', '不', '足']],
    ['メモリ不足 ｶﾞ が か', ['メ', 'モ', 'リ', '不', '足', 'ガ', 'が', 'か']],
    ['메모리 부족', ['메', '모', '리', '부', '족']],
    ['हिन्दी ไทย', ['हिन्दी', 'ไทย']],
    ['🔥failed👍🏽 ＡＢＣ ﬁne', ['🔥', 'failed', '👍', 'abc', 'fine']],
    ['ΟΔΟΣ οδός', ['οδοσ', 'οδοσ']],
    ['', []],
    [' -- !? \ud800', []],
  ])('splits "%s"', (text, expected) => expect(wordsOf(text)).toEqual(expected));

  it('returns the same words for composed and decomposed accents', () => {
    expect(wordsOf('cafe\u0301 e\u0300\u0301')).toEqual(wordsOf('café è'));
  });

  it('does not change words that it has returned', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(wordsOf(wordsOf(text).join(' '))).toEqual(wordsOf(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('returns exactly the tokens of FTS5 for the indexed text', () => {
    using index = new FullText();
    fc.assert(
      fc.property(anyText, (text) => {
        expect(index.only(text).tokens()).toEqual([...new Set(wordsOf(text))].sort());
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves an ASCII text unchanged for the index', () => {
    const line = 'INFO Request took 153 ms\tfor model_x "a b"';
    expect(indexText(line)).toBe(line);
  });
});
