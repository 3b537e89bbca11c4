// What happens in the pictures of the page: traffic to four replicas, of which one goes down and one runs out of memory,
// and one request that an application traced, scored and tagged.
// Invariant: all of it goes through weir's own servers; no record is written past them.
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

/** Addresses of a running weir. */
export interface Servers {
  readonly url: string;
  readonly admin: string;
  /** Key of the admin API. */
  readonly key: string;
}

const MODELS = ['llama-3-70b', 'llama-3-70b', 'llama-3-70b', 'llama-3-8b', 'llama-3-8b', 'mixtral-8x7b'];
const TIERS = ['free', 'free', 'free', 'free', 'pro', 'pro', 'enterprise'];
/** Requests a second, by the shown time. */
const RATE = 8;

const pick = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)]!;

/** Calls the admin API; throws for an error. */
export async function callAdmin<T = Record<string, unknown>>(
  { admin, key }: Servers,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const res = await fetch(admin + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await res.text();
  if (!res.ok) throw new Error(`${method} ${path} answered ${res.status}: ${answer}`);
  return (answer === '' ? {} : JSON.parse(answer)) as T;
}

/** Sends one request of the usual traffic. Some clients disconnect early, some send nonsense. */
async function sendOne({ url }: Servers): Promise<void> {
  const share = Math.random();
  const path = share < 0.06 ? '/deployment/dep2/sync/v1/chat/completions' : '/v1/chat/completions';
  const body =
    share > 0.994
      ? '{"model": "llama-3-70b", "messages": ['
      : JSON.stringify({
          model: pick(MODELS),
          stream: true,
          max_tokens: 60 + Math.round(Math.random() ** 2 * 240),
          messages: [{ role: 'user', content: 'Where is my order?' }],
        });
  const stop = share > 0.98 ? AbortSignal.timeout(40) : undefined;
  const metadata = JSON.stringify({ tier: pick(TIERS), user: `user-${Math.floor(Math.random() * 400)}` });
  const headers = { 'Content-Type': 'application/json', 'x-portkey-metadata': metadata };
  try {
    const res = await fetch(url + path, { method: 'POST', headers, body, ...(stop && { signal: stop }) });
    await res.arrayBuffer();
  } catch (error) {
    // Disconnected, by the client itself or since its replica was ended.
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
  }
}

/** Sends traffic until it is stopped; `speed` is how much faster than real time weir's clock goes. */
export function startTraffic(servers: Servers, speed: () => number): () => Promise<void> {
  const stop = new AbortController();
  const open = new Set<Promise<void>>();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const one = sendOne(servers).finally(() => open.delete(one));
      open.add(one);
      await wait((1000 / (RATE * speed())) * (0.4 + 1.2 * Math.random()));
    }
    await Promise.all(open);
  };
  const running = run();
  return () => {
    stop.abort();
    return running;
  };
}

const nano = (ms: number): string => `${Math.round(ms * 1000)}000`;

/** Sends a request in the trace of an application, with a conversation, scores, tags and feedback. Returns its id. */
export async function sendTraced(servers: Servers): Promise<string> {
  const [traceId, rootId, toolId, callId] = [16, 8, 8, 8].map((size) => randomBytes(size).toString('hex'));
  const beginMs = Date.now();
  const res = await fetch(`${servers.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      traceparent: `00-${traceId}-${callId}-01`,
      'x-portkey-metadata': '{"tier":"enterprise","user":"user-311","ticket":"T-2041"}',
    },
    body: JSON.stringify({
      model: 'llama-3-70b',
      stream: true,
      max_tokens: 140,
      messages: [
        {
          role: 'system',
          content: 'You answer questions about orders in two sentences. Look orders up before you answer.',
        },
        { role: 'user', content: 'Where is order 5512? It should have been here on Friday.' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_1',
              type: 'function',
              function: { name: 'lookup_order', arguments: '{"order":"5512"}' },
            },
          ],
        },
        {
          role: 'tool',
          tool_call_id: 'call_1',
          content: '{"state":"shipped","carrier":"DHL","from":"Hamburg","eta":"2026-11-29"}',
        },
      ],
    }),
  });
  await res.arrayBuffer();
  // A share of the requests fails in the incident.
  if (!res.ok) return sendTraced(servers);
  const endMs = Date.now();
  const id = res.headers.get('x-baseten-request-id')!;
  const span = (spanId: string, parentSpanId: string, name: string, fromMs: number, toMs: number) => ({
    traceId,
    spanId,
    parentSpanId,
    name,
    kind: 1,
    startTimeUnixNano: nano(fromMs),
    endTimeUnixNano: nano(toMs),
    attributes: [],
    status: { code: 1 },
  });
  const spans = [
    span(rootId!, '', 'answer ticket T-2041', beginMs - 420, endMs + 60),
    span(toolId!, rootId!, 'lookup_order', beginMs - 390, beginMs - 40),
    span(callId!, rootId!, 'draft answer', beginMs - 20, endMs + 10),
  ];
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'support-agent' } }] };
  await callAdmin(servers, 'POST', '/v1/traces', {
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'support-agent' }, spans }] }],
  });
  await callAdmin(servers, 'POST', `/v1/logs/${id}/annotations`, {
    scores: { Grounded: 0.92, Polite: 1 },
    tags: ['golden'],
    comment: 'Names the day and the number. Good.',
  });
  await callAdmin(servers, 'POST', '/v1/feedback', { trace_id: id, value: 1 });
  return id;
}
