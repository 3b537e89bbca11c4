// Reads responses of language models in pieces, as they pass a LlmFollower, and by a parse of the whole body.
import { UNKNOWN, type LlmFacts } from '../../src/core/exchange/llm-facts.ts';
import { eventSplitter } from '../../src/protocol/http/event-stream.ts';
import { parseObject } from '../../src/protocol/llm/json-values.ts';
import { LlmFollower } from '../../src/protocol/llm/llm-follower.ts';
import { StreamedBody } from '../../src/telemetry/logs/ingest/bodies/streamed-body.ts';
import { factsOf } from './whole-body-facts.ts';
import type { LlmBody, SaidFacts } from './llm-bodies.ts';

const known = (count: number): number | undefined => (count === UNKNOWN ? undefined : count);
const named = (text: string): string | undefined => (text === '' ? undefined : text);

/** What facts say, without times. */
export function saidBy(facts: LlmFacts | undefined): SaidFacts | undefined {
  if (facts === undefined) return undefined;
  return withoutMissing({
    model: named(facts.responseModel),
    id: named(facts.responseId),
    finish: named(facts.finishReason),
    input: known(facts.inputTokens),
    output: known(facts.outputTokens),
    total: known(facts.totalTokens),
    cached: known(facts.cachedTokens),
    reasoning: known(facts.reasoningTokens),
    events: facts.contentEvents || undefined,
    isFinished: facts.isFinished || undefined,
    error: facts.error,
  });
}

const withoutMissing = (values: Record<string, unknown>): SaidFacts =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** Reads a body with a follower, split at `cuts`. The pieces are parts of larger buffers, which are overwritten. */
export function readInPieces(
  { type, body, isCut }: Pick<LlmBody, 'type' | 'body' | 'isCut'>,
  cuts: readonly number[],
  follower = new LlmFollower(),
  length?: number,
): LlmFacts | undefined {
  follower.requestBegins(undefined, undefined);
  const sink = follower.responseBegins(type, undefined, length, undefined, true);
  let from = 0;
  for (const to of [...cuts, body.length]) {
    const piece = Buffer.alloc(to - from + 8, '"');
    body.copy(piece, 4, from, to);
    sink?.push(piece, 4, 4 + to - from);
    piece.fill('x');
    from = to;
  }
  return follower.end(!isCut);
}

/** What a parse of the whole body says, as the log store does it. It does not count events. */
export function saidByParse({ type, body, isCut }: LlmBody): SaidFacts {
  const streamed = new StreamedBody();
  const splitter = eventSplitter(type, (data, name) => streamed.add(data, name), 2 ** 28);
  splitter?.push(body);
  splitter?.end(!isCut);
  const result = streamed.result();
  const response =
    splitter === undefined ? parseObject(body.toString().replace(/^\uFEFF/, '')) : result?.response;
  const { model, response_id, finish_reason, ...counts } = factsOf(undefined, response);
  return withoutMissing({
    model,
    id: response_id,
    finish: finish_reason,
    input: counts.input_tokens,
    output: counts.output_tokens,
    total: counts.total_tokens,
    cached: counts.cached_tokens,
    reasoning: counts.reasoning_tokens,
    isFinished: (splitter === undefined ? response !== undefined : result?.isWhole) || undefined,
    error: splitter === undefined ? undefined : streamed.error,
  });
}
