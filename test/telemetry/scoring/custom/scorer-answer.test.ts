// What a custom scorer may return, and what is said about the rest.
import { describe, expect, it } from 'vitest';
import { scoresOf } from '../../../../src/telemetry/scoring/custom/scorer-answer.ts';

describe('the answer of a custom scorer', () => {
  it.each<[string, unknown, object[]]>([
    ['a number', 0.5, [{ name: 'mine', score: 0.5 }]],
    ['null: no score', null, [{ name: 'mine', score: null }]],
    ['true', true, [{ name: 'mine', score: 1 }]],
    ['an object', { score: 1, metadata: { a: 1 } }, [{ name: 'mine', score: 1, metadata: { a: 1 } }]],
    ['an object with a name', { name: 'other', score: 0, metadata: null }, [{ name: 'other', score: 0 }]],
    [
      'a list',
      [0.1, { name: 'b', score: null }],
      [
        { name: 'mine', score: 0.1 },
        { name: 'b', score: null },
      ],
    ],
    ['an empty list', [], []],
  ])('may be %s', (_, answer, scores) => {
    expect(scoresOf(answer, 'mine')).toEqual(scores);
  });

  it.each<[unknown, RegExp]>([
    [5, /^returned the score 5; return a number from 0 to 1, null, or an object/],
    [{ score: -0.1 }, /^returned the score -0.1;/],
    [undefined, /^returned no score;/],
    [{}, /^returned no score;/],
    ['good', /^returned the score "good";/],
    [{ name: '', score: 1 }, /whose name is ""; a name has 1 to 128 characters$/],
    [{ name: 'a\nb', score: 1 }, /whose name is "a\\nb"/],
    [{ score: 1, metadata: 5 }, /^returned metadata that is 5; it must be an object$/],
    [[1, 0], /^returned two scores with the name "mine"$/],
    [Array.from({ length: 33 }, () => 1), /^returned 33 scores; the maximum is 32$/],
    [[[1]], /^returned the score \[1\];/],
  ])('is not understood if it is %j', (answer, problem) => {
    expect(scoresOf(answer, 'mine')).toMatch(problem);
  });
});
