// Families of language models: times of tokens, tokens, cost, and how responses end.
// Invariant: tokens, times and costs that no response has had have no series. The label `model` is bounded (model-names.ts).
import { COMMON_LABELS, type Labels } from '../deployment-labels.ts';
import type { Family } from '../family.ts';
import {
  streamEnds,
  tokenTypes,
  usages,
  type LlmHistogramName,
  type LlmTotalsReading,
} from '../llm-totals.ts';

/** A value, and the labels besides COMMON_LABELS and `model` that it has. */
type ModelValue = readonly [labels: Labels, value: number];

const histogram = (name: string, read: LlmHistogramName, help: string): Family => ({
  name,
  type: 'histogram',
  help,
  labels: [...COMMON_LABELS, 'model'],
  samples: ({ labels, counters }) =>
    Array.from(counters.llm.read(), (block) => ({
      labels: labels.with(block.deployment, { model: block.model }),
      histogram: block.histogram(read),
    })).filter(({ histogram: { count } }) => count > 0),
});

/** `more`: further labels. */
const counter = (
  name: string,
  more: readonly string[],
  help: string,
  valuesOf: (block: LlmTotalsReading) => readonly ModelValue[],
): Family => ({
  name,
  type: 'counter',
  help,
  labels: [...COMMON_LABELS, 'model', ...more],
  samples: ({ labels, counters }) =>
    Array.from(counters.llm.read()).flatMap((block) =>
      valuesOf(block).map(([further, value]) => ({
        labels: labels.with(block.deployment, { model: block.model, ...further }),
        value,
      })),
    ),
});

export const llmFamilies: readonly Family[] = [
  histogram(
    'weir_llm_time_to_first_token_seconds',
    'firstToken',
    'Time from the first byte of the request to the first event with text, reasoning or a tool call, in seconds, including waiting. Streams only.',
  ),
  histogram(
    'weir_llm_time_per_output_token_seconds',
    'perToken',
    'Time from the first to the last event with content, divided by the output tokens after the first one, in seconds. One value per stream. Without reported tokens the events with content are counted.',
  ),
  histogram(
    'weir_llm_inter_token_seconds',
    'interToken',
    'Times between consecutive events with content, in seconds. All of a stream are added when it ends. Events that arrive together have 0 between them.',
  ),
  histogram(
    'weir_llm_output_tokens_per_second',
    'perSecond',
    'Output tokens per second of each response. Streams: tokens after the first one, by the time from the first to the last event with content. Others: all tokens, by the time from sending the request to the end of the response.',
  ),
  counter(
    'weir_llm_tokens_total',
    ['type'],
    'Tokens that responses report. input includes cached, output includes reasoning: add up only input and output. Estimates do not count.',
    (block) =>
      tokenTypes.flatMap((type) => {
        const tokens = block.tokens(type);
        return tokens === undefined ? [] : [[{ type }, tokens] as const];
      }),
  ),
  counter(
    'weir_llm_cost_total',
    ['currency'],
    'Cost of responses by the price table, in units of the currency. Responses without reported tokens or without a price do not count.',
    (block) => Array.from(block.costs(), ([currency, cost]) => [{ currency }, cost] as const),
  ),
  counter(
    'weir_llm_responses_total',
    ['stream', 'usage'],
    'Responses of language models. usage: tokens are reported, estimated (output tokens are the events with content), or missing.',
    (block) =>
      [false, true].flatMap((isStream) =>
        usages.map(
          (usage) => [{ stream: String(isStream), usage }, block.responses(isStream, usage)] as const,
        ),
      ),
  ),
  counter(
    'weir_llm_streams_unfinished_total',
    ['reason'],
    'Streams that ended without their last event, by reason: an error in the stream (error), the client disconnected (client_gone), or anything else (cut).',
    (block) => streamEnds.map((reason) => [{ reason }, block.unfinished(reason)] as const),
  ),
  counter(
    'weir_llm_requests_failed_total',
    [],
    'Requests that name a model and got no response of it: refused, failed, or the client disconnected before. weir_exchanges_total has the causes.',
    (block) => [[{}, block.failed]],
  ),
];
