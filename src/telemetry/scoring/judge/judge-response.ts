// Reads the response of a judge: its text, and what it cost. Errors become sentences.
// Invariant: no part of a response is trusted to be there, or to have its type.
import { LlmFacts, UNKNOWN, type TokenPrice } from '../../../core/exchange/llm-facts.ts';
import { retryAfterMs } from '../../../core/retry-after.ts';
import {
  countAt,
  isObject,
  listAt,
  objectAt,
  parseObject,
  textAt,
  type JsonObject,
} from '../../../protocol/llm/json-values.ts';
import { errorOfResponse } from '../../../protocol/llm/response-error.ts';
import type { ReceiverResponse, TransportResult } from '../../../protocol/http/transport.ts';
import { costOf } from '../../llm/prices.ts';
import type { ScorerCost, ScorerResult } from '../scorer.ts';

/** Longest text of a server in a reason, in characters. */
const MAX_TEXT = 300;

/** What a judge answered. */
export interface JudgeReply {
  readonly text: string;
  /** It was ended by the limit of tokens. */
  readonly isCut: boolean;
  readonly usage: LlmFacts;
}

/** A failure. `status`: 0 if there was no response. */
export interface JudgeFailure {
  readonly status: number;
  readonly failed: Extract<ScorerResult, { kind: 'failed' }>;
}

/** Reads a response. `model`: as it was asked for. `maxBytes`: limit of the response. */
export function readReply(
  response: TransportResult,
  model: string,
  maxBytes: number,
): JudgeReply | JudgeFailure {
  if ('problem' in response) return failure(0, `the judge did not answer: ${response.problem}`, true);
  const { status } = response;
  if (status < 200 || status > 299) return refusal(response);
  if (response.failure !== undefined)
    return failure(status, `the response of the judge has more than ${maxBytes} bytes`, false);
  const body = parseObject(response.body.toString('utf8'));
  const [choice] = listAt(body, 'choices');
  const message = isObject(choice) ? objectAt(choice, 'message') : undefined;
  if (body === undefined || message === undefined)
    return failure(status, 'the response of the judge is not a chat completion', false);
  const text = contentOf(message);
  const isCut = isObject(choice) && textAt(choice, 'finish_reason') === 'length';
  return { text, isCut, usage: usageOf(body, model) };
}

/** Content is a text, or a list of parts. */
function contentOf(message: JsonObject): string {
  const parts = listAt(message, 'content').filter(isObject);
  return parts.length === 0 ? textAt(message, 'content') : parts.map((part) => textAt(part, 'text')).join('');
}

function usageOf(body: JsonObject, model: string): LlmFacts {
  const usage = objectAt(body, 'usage');
  const facts = new LlmFacts();
  facts.model = model;
  facts.responseModel = textAt(body, 'model');
  facts.inputTokens = countAt(usage, 'prompt_tokens') ?? UNKNOWN;
  facts.outputTokens = countAt(usage, 'completion_tokens') ?? UNKNOWN;
  facts.cachedTokens = countAt(objectAt(usage, 'prompt_tokens_details'), 'cached_tokens') ?? UNKNOWN;
  facts.reasoningTokens =
    countAt(objectAt(usage, 'completion_tokens_details'), 'reasoning_tokens') ?? UNKNOWN;
  return facts;
}

/** Tokens, and what they cost if there is a price. */
export function judgeCost(usage: LlmFacts, price: TokenPrice | undefined): ScorerCost {
  const amount = price === undefined ? NaN : costOf(usage, price);
  const known = (count: number): number | undefined => (count === UNKNOWN ? undefined : count);
  return {
    inputTokens: known(usage.inputTokens),
    outputTokens: known(usage.outputTokens),
    amount: Number.isNaN(amount) ? undefined : amount,
    currency: Number.isNaN(amount) ? undefined : price!.currency,
  };
}

function refusal({ status, headers, body }: ReceiverResponse): JudgeFailure {
  const text = body.toString('utf8');
  const message = errorOfResponse(parseObject(text))?.message ?? text;
  const said = message
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);
  const hint = status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
  const isTemporary = status === 408 || status === 429 || status >= 500;
  const waitMs = isTemporary ? retryAfterMs(headers['retry-after'], Date.now()) : undefined;
  const reason = `the judge answered ${status}${hint}${said === '' ? '' : `: ${said}`}`;
  return failure(status, reason, isTemporary, waitMs);
}

const failure = (
  status: number,
  reason: string,
  isTemporary: boolean,
  retryAfterMs?: number,
): JudgeFailure => ({
  status,
  failed: { kind: 'failed', reason, isTemporary, ...(retryAfterMs !== undefined && { retryAfterMs }) },
});
