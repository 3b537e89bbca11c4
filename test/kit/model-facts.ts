// What a follower reads from two bodies, under the names that it has in records; without times.
import { BodyCopy, type RawBody } from '../../src/core/exchange/body-capture.ts';
import { LlmFollower } from '../../src/protocol/llm/llm-follower.ts';
import {
  LLM_NUMBERS,
  llmValue,
  sharedMembers,
  storedNumber,
} from '../../src/telemetry/logs/store/llm-numbers.ts';

const TIMES = { startMs: 0, leasedMs: 0, endMs: 0 };
const WITHOUT = new Set(['first_token_ms', 'content_events', 'tokens_per_second']);
const BUDGET = { take: () => true, give: () => undefined };

export function modelFacts(
  request: RawBody | undefined,
  response: RawBody | undefined,
): Record<string, unknown> {
  const follower = new LlmFollower();
  const bytesOf = ({ bytes }: RawBody) => Buffer.from(bytes);
  const sent = follower.requestBegins(request?.type, request?.coding);
  if (request) sent?.push(bytesOf(request), 0, request.bytes.length);
  if (response) {
    const copy = new BodyCopy(BUDGET, 1e6);
    copy.push(bytesOf(response));
    follower
      .responseBegins(response.type, response.coding, undefined, copy)
      ?.push(bytesOf(response), 0, response.bytes.length);
  }
  const facts = follower.end(response?.isCut !== true);
  if (facts === undefined) return {};
  const shared = JSON.parse(`{${sharedMembers(facts)}}`) as Record<string, unknown>;
  delete shared['is_finished'];
  delete shared['is_estimate'];
  const counts = LLM_NUMBERS.filter(({ name }) => !WITHOUT.has(name) && !name.startsWith('token_gap'))
    .map(({ name, read, scale }) => [name, llmValue(storedNumber(read(facts, TIMES), scale), scale)] as const)
    .filter(([, value]) => value !== undefined);
  return {
    ...shared,
    ...Object.fromEntries(counts),
    ...(facts.responseId !== '' && { response_id: facts.responseId }),
  };
}
