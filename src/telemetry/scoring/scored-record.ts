// A record that a rule may score, as its scorers see it, and why it is not scored.
// Invariant: a span that scores, or that a scorer made, is never scored.
// Source: docs/contracts/scoring.md 2.
import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { requestRow, type ShownRow } from '../btql/btql.ts';
import {
  attributesOf,
  isScoredBy,
  ROW_CUT,
  rowOf,
  storedRowOf,
  type LogRecord,
  type ReadStore,
} from '../logs/logs.ts';
import type { OpenedRule } from './opened-rule.ts';
import type { ScorerInput } from './scorer.ts';
import { SCORER_MARK } from './scorer-mark.ts';

/** Why a record that a rule is for is not scored. `no_body`: its bodies are not stored. */
export type SkipReason = 'sampled_out' | 'no_body' | 'opted_out';

/** A record that a rule scores. */
export interface ScoredRecord {
  readonly record: LogRecord;
  /** As an API shows it. */
  readonly row: ShownRow;
  readonly input: ScorerInput;
  /** Which of the rows that were logged with this id it is; `undefined`: it is a request. */
  readonly base: string | undefined;
  /** False: it is not in the sample of the rule. */
  readonly isInSample: boolean;
}

/** `undefined`: the rule is not for this record, or not yet. */
export type Chosen = ScoredRecord | { readonly skipped: SkipReason } | undefined;

type Fields = Readonly<Record<string, unknown>>;
const fieldsIn = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

/** A number from 0 to 1 that follows from the trace, so that all rules choose the same traces. */
const sampleNumber = (traceId: string): number =>
  Number.parseInt(hash('sha256', traceId).slice(0, 12), 16) / 2 ** 48;

const isInSample = ({ config }: OpenedRule, { traceId, requestId }: LogRecord): boolean =>
  sampleNumber(traceId === '' ? requestId : traceId) < config.sampling_rate;

/**
 * What a rule does with a record. `isTest`: also what is scored already, or not in the sample. Reads bodies of records
 * that the rule is for.
 */
export function chooseRecord(
  rule: OpenedRule,
  record: LogRecord,
  store: Pick<ReadStore, 'bodies'>,
  isTest = false,
): Chosen {
  return rule.config.source === 'requests'
    ? chosenRequest(rule, record, store, isTest)
    : chosenSpan(rule, record, store, isTest);
}

function chosenSpan(
  rule: OpenedRule,
  record: LogRecord,
  store: Pick<ReadStore, 'bodies'>,
  isTest: boolean,
): Chosen {
  const attributes = wholeAttributes(record, store);
  const stored = storedRowOf(record, attributes);
  if (stored === undefined) return undefined;
  // Only merges have come, so what they are for is not known.
  if (stored.state.awaits_base === true) return undefined;
  if (!isTest && isScoredBy(stored, rule.id)) return undefined;
  const row = rowOf(record, attributes)!;
  const { type, purpose, name } = fieldsIn(row['span_attributes']);
  if (type === 'score' || purpose === 'scorer' || !hasEnded(row)) return undefined;
  if (!isApplied(rule, row, name) || rule.test?.(row) === false) return undefined;
  if (row['_skip_async_scoring'] === true) return { skipped: 'opted_out' };
  const inSample = isInSample(rule, record);
  if (!inSample && !isTest) return { skipped: 'sampled_out' };
  const { input, output, expected, metadata } = row;
  const { base } = stored.state;
  return { record, row, input: { input, output, expected, metadata }, base, isInSample: inSample };
}

/** A row without a start was not logged as a span that runs, so it is complete. */
function hasEnded({ metrics }: ShownRow): boolean {
  const { start, end } = fieldsIn(metrics);
  return typeof end === 'number' || typeof start !== 'number';
}

/** Either of the two conditions on spans suffices; without any, all spans are meant. */
function isApplied({ config }: OpenedRule, row: ShownRow, name: unknown): boolean {
  const { apply_to_root_span: roots, apply_to_span_names: names } = config;
  if (roots !== true && names === null) return true;
  return (roots === true && row['is_root'] === true) || (names ?? []).includes(name as string);
}

function wholeAttributes(record: LogRecord, store: Pick<ReadStore, 'bodies'>): Fields {
  const attributes = attributesOf(record);
  if (attributes[ROW_CUT] !== true) return attributes;
  const whole = store.bodies(record.seq)?.request;
  return whole ? attributesOf({ attributes: whole.toString() }) : attributes;
}

function chosenRequest(
  rule: OpenedRule,
  record: LogRecord,
  store: Pick<ReadStore, 'bodies'>,
  isTest: boolean,
): Chosen {
  if (record.kind !== 'request' || record.requestId === '' || isOfScorer(record)) return undefined;
  const bodies = store.bodies(record.seq);
  const row = requestRow(record, rule.projectId ?? '', undefined, bodies);
  if (rule.test?.(row) === false) return undefined;
  const inSample = isInSample(rule, record);
  if (!inSample && !isTest) return { skipped: 'sampled_out' };
  if (bodies?.request === undefined && bodies?.response === undefined) return { skipped: 'no_body' };
  const { input, expected, metadata } = row;
  const output = answerOf(row['output']);
  const seen = { input, output, expected, metadata };
  return { record, row, input: seen, base: undefined, isInSample: inSample };
}

function isOfScorer(record: LogRecord): boolean {
  const metadata = fieldsIn(attributesOf(record)['metadata']);
  return Object.entries(SCORER_MARK).every(([name, value]) => isDeepStrictEqual(metadata[name], value));
}

/** The text of the only choice of a response of a language model; other outputs as they are. */
function answerOf(output: unknown): unknown {
  if (!Array.isArray(output) || output.length !== 1) return output;
  const { message, text } = fieldsIn((output as unknown[])[0]);
  const content = fieldsIn(message)['content'];
  if (typeof content === 'string') return content;
  return typeof text === 'string' ? text : output;
}
