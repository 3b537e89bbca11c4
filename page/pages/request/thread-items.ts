// The thread of a trace: the messages of its requests, each once, with tool spans and scores between them, by time.
// Invariant: pure; a request sends again what was said before, so its known messages are left out.
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import type { FlatSpanJson } from '../../../src/control/admin/records/trace-json.ts';
import { conversationOf, readBody, type ChatMessage } from '../../parts/chat-shapes.ts';
import { lookOf } from './waterfall-rows.ts';

/** Requests of one trace whose bodies are read. */
export const MAX_REQUESTS = 30;

export type ThreadItem =
  | {
      readonly kind: 'request';
      readonly span: FlatSpanJson;
      /** Those that no earlier request had. Empty without bodies. */
      readonly messages: readonly ChatMessage[];
      readonly scores: RequestJson['scores'];
      /** False: its details are not read yet, or could not be. */
      readonly isRead: boolean;
    }
  | { readonly kind: 'span'; readonly span: FlatSpanJson };

/** The spans of a trace that its thread has, by time. */
export const threadSpans = (spans: readonly FlatSpanJson[]): FlatSpanJson[] => {
  const requests = spans.filter(({ type }) => type === 'request').slice(0, MAX_REQUESTS);
  const others = spans.filter((span) => span.type !== 'request' && /^(?:tool|score)$/.test(lookOf(span)));
  return [...requests, ...others].sort((a, b) => a.offset_ms - b.offset_ms);
};

/** The items of a thread. `details`: of requests that were read, by the place of their record. */
export function threadItems(
  spans: readonly FlatSpanJson[],
  details: ReadonlyMap<string, Pick<RequestJson, 'bodies' | 'scores'>>,
): ThreadItem[] {
  const said = new Set<string>();
  return spans.map((span): ThreadItem => {
    if (span.type !== 'request') return { kind: 'span', span };
    const read = details.get(span.place);
    if (read === undefined) return { kind: 'request', span, messages: [], scores: [], isRead: false };
    const { request, response } = read.bodies;
    const talk = conversationOf(readBody(request.text), readBody(response.text));
    const messages = (talk?.messages ?? []).filter((message) => isNew(said, message));
    return { kind: 'request', span, messages, scores: read.scores, isRead: true };
  });
}

/** Notes a message. False: it was said before. */
function isNew(said: Set<string>, { role, parts }: ChatMessage): boolean {
  const key = JSON.stringify([role, parts]);
  const has = said.has(key);
  said.add(key);
  return !has;
}
