import { describe, expect, it } from 'vitest';
import { LlmFollower } from '../../../src/protocol/llm/llm-follower.ts';
import { API_BODIES } from '../../kit/llm-api-bodies.ts';
import type { LlmBody } from '../../kit/llm-bodies.ts';
import { ODD_BODIES } from '../../kit/llm-odd-bodies.ts';
import { readInPieces, saidBy, saidByParse } from '../../kit/llm-reading.ts';

const ALL: readonly LlmBody[] = [...API_BODIES, ...ODD_BODIES];

describe('the facts of a response', () => {
  it.each(ALL)('are read from $name', (body) => {
    expect(saidBy(readInPieces(body, []))).toEqual(body.said);
  });

  it.each(ALL.filter(({ said, isUnassembled }) => said !== undefined && !isUnassembled))(
    'are what a parse of the whole body gives: $name',
    (body) => {
      const { events: _events, ...said } = body.said!;
      expect(saidByParse(body)).toEqual(said);
    },
  );

  it.each(ALL)('are the same at every split of $name', (body) => {
    const follower = new LlmFollower();
    for (let cut = 0; cut <= body.body.length; cut++) {
      const facts = readInPieces(body, [cut], follower);
      expect(saidBy(facts), `cut at ${cut}`).toEqual(body.said);
    }
  });

  it.each(ALL)('are the same byte by byte: $name', (body) => {
    const cuts = Array.from(body.body, (_byte, i) => i);
    expect(saidBy(readInPieces(body, cuts))).toEqual(body.said);
  });

  it('of one response are not those of the one before', () => {
    const follower = new LlmFollower();
    for (const before of ALL)
      for (const body of ALL) {
        const first = readInPieces(before, [], follower);
        const kept = saidBy(first);
        expect(saidBy(readInPieces(body, [], follower)), `${body.name} after ${before.name}`).toEqual(
          body.said,
        );
        expect(saidBy(first)).toEqual(kept);
      }
  });
});
