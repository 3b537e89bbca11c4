// Which kind of request a path is, in few words. Must stay true: however many paths clients think of, there are only so
// many routes; a path that is none of these has none, and its own text is no name of a span.
// Source: contracts/baseten.md 1.1 and 1.2; the paths of OpenAI's and Anthropic's APIs.

const TARGET = /^(?:\/(production|development)|\/(environments)\/[^/]+|\/(deployment)\/[^/]+)(?=\/)/;
const OURS = new Set([
  '/predict',
  '/run_remote',
  '/wake',
  '/websocket',
  '/async_predict',
  '/async_run_remote',
  '/async_queue_status',
]);

/** What a language model's path is asked for, and whose API it is (GenAI semantic conventions). */
export interface OperationName {
  readonly name: 'chat' | 'text_completion' | 'embeddings';
  readonly provider: 'openai' | 'anthropic';
}

const OPERATIONS: Readonly<Record<string, OperationName>> = {
  '/v1/chat/completions': { name: 'chat', provider: 'openai' },
  '/v1/responses': { name: 'chat', provider: 'openai' },
  '/v1/completions': { name: 'text_completion', provider: 'openai' },
  '/v1/embeddings': { name: 'embeddings', provider: 'openai' },
  '/v1/messages': { name: 'chat', provider: 'anthropic' },
};
const KNOWN = new Set([
  ...Object.keys(OPERATIONS),
  '/v1/models',
  '/v1/rerank',
  '/v1/audio/speech',
  '/v1/audio/transcriptions',
  '/v1/images/generations',
]);

/** A path apart: the route's words for the target, and what stands below. */
function split(path: string): { target: string; below: string } {
  const match = TARGET.exec(path);
  if (match === null) return { target: '', below: path };
  const [whole, shortcut, environments] = match;
  const target = shortcut ? `/${shortcut}` : environments ? '/environments/{env}' : '/deployment/{id}';
  return { target, below: path.slice(whole.length) };
}

/** `http.route` of a path; `undefined` where nobody knows it. */
export function routeOf(path: string): string | undefined {
  const { target, below } = split(path);
  if (OURS.has(below)) return target + below;
  if (below.startsWith('/sync/')) {
    const rest = below.slice('/sync'.length);
    return `${target}/sync${KNOWN.has(rest) ? rest : '/{path}'}`;
  }
  if (target !== '') return undefined;
  if (KNOWN.has(path)) return path;
  const task = /^\/async_request\/[^/]+(\/result)?$/.exec(path);
  return task ? `/async_request/{id}${task[1] ?? ''}` : undefined;
}

/** What a language model was asked for by a path. */
export function operationOf(path: string): OperationName | undefined {
  const { below } = split(path);
  const asked = below.startsWith('/sync/') ? below.slice('/sync'.length) : below;
  return Object.hasOwn(OPERATIONS, asked) ? OPERATIONS[asked] : undefined;
}
