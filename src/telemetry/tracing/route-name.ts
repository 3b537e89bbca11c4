// Route names of paths, for the names and attributes of spans.
// Invariant: the number of route names is fixed. An unknown path has no route name, so clients cannot create names.
// Sources: docs/contracts/serving.md 1.1 and 1.2; the paths of the OpenAI and Anthropic APIs.

const TARGET = /^(?:\/(production|development)|\/(environments)\/[^/]+|\/(deployment)\/[^/]+)(?=\/)/;
const WEIR_PATHS = new Set([
  '/predict',
  '/run_remote',
  '/wake',
  '/websocket',
  '/async_predict',
  '/async_run_remote',
  '/async_queue_status',
]);

/** Operation of a language model API (OpenTelemetry GenAI semantic conventions). */
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
const MODEL_PATHS = new Set([
  ...Object.keys(OPERATIONS),
  '/v1/models',
  '/v1/rerank',
  '/v1/audio/speech',
  '/v1/audio/transcriptions',
  '/v1/images/generations',
]);

/** Splits a path into the route name of its target, and the rest of the path. */
function split(path: string): { target: string; below: string } {
  const match = TARGET.exec(path);
  if (match === null) return { target: '', below: path };
  const [whole, shortcut, environments] = match;
  const target = shortcut ? `/${shortcut}` : environments ? '/environments/{env}' : '/deployment/{id}';
  return { target, below: path.slice(whole.length) };
}

/** Attribute `http.route` of a path; `undefined` if the path is unknown. */
export function routeOf(path: string): string | undefined {
  const { target, below } = split(path);
  if (WEIR_PATHS.has(below)) return target + below;
  if (below.startsWith('/sync/')) {
    const rest = below.slice('/sync'.length);
    return `${target}/sync${MODEL_PATHS.has(rest) ? rest : '/{path}'}`;
  }
  if (target !== '') return undefined;
  if (MODEL_PATHS.has(path)) return path;
  const task = /^\/async_request\/[^/]+(\/result)?$/.exec(path);
  return task ? `/async_request/{id}${task[1] ?? ''}` : undefined;
}

/** The language model operation of a path; `undefined` if it has none. */
export function operationOf(path: string): OperationName | undefined {
  const { below } = split(path);
  const modelPath = below.startsWith('/sync/') ? below.slice('/sync'.length) : below;
  return Object.hasOwn(OPERATIONS, modelPath) ? OPERATIONS[modelPath] : undefined;
}
