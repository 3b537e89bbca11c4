// Logs with Braintrust's SDK: traced, startSpan, wrapTraced, feedback, updates, an error. Prints the ids.
import * as bt from 'braintrust';

const logger = bt.initLogger({
  projectName: 'demo',
  environment: { type: 'ci', name: 'staging' },
  onFlushError: console.error,
});

const root = await logger.traced(
  async (span) => {
    span.log({ input: { question: 'hi' }, metadata: { user_id: '1234', model: 'm' }, tags: ['triage'] });
    const retrieval = span.startSpan({ name: 'retrieve', type: 'tool', event: { input: 'doc' } });
    retrieval.log({ output: ['a', 'b'], scores: { relevance: 0.5 } });
    retrieval.end();
    await span.traced(
      async (llm) => {
        llm.log({ input: [{ role: 'user', content: 'hi' }], output: 'hello', metrics: { tokens: 7 } });
      },
      { name: 'llm', type: 'llm' },
    );
    span.log({ output: 'hello', expected: 'hello', scores: { Factuality: 0.8 }, metrics: { custom: 1 } });
    return { id: span.id, trace: span.rootSpanId, slug: await span.export() };
  },
  { name: 'root', type: 'task' },
);
await logger.flush();

logger.logFeedback({
  id: root.id,
  scores: { correctness: 1 },
  expected: 'yes',
  comment: 'great',
  metadata: { user_id: 'u9' },
  tags: ['good'],
  source: 'external',
});
logger.updateSpan({ id: root.id, output: 'patched', metadata: { extra: 1 } });
await logger.flush();

const single = logger.log(
  { input: 'x', output: 'y', expected: 'z', scores: { a: 1, b: null }, tags: ['t'] },
  { allowConcurrentWithSpans: true },
);
const add = bt.wrapTraced(async function add(a, b) {
  return a + b;
});
const sum = await add(1, 2);
await logger
  .traced(
    async () => {
      throw new Error('boom');
    },
    { name: 'failing' },
  )
  .catch((error) => console.error(error.message));
await logger.flush();

const { id: project } = await logger.project;
console.log(JSON.stringify({ project, root, single, sum, permalink: await bt.permalink(root.slug) }));
