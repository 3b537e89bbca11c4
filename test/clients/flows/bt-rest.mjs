// Braintrust's REST client: projects, inserts, fetches, feedback, and an error. Prints the answers.
import Braintrust from '@braintrust/api';

const client = new Braintrust();
const project = await client.project.create({ name: 'rest' });
const listed = await client.project.list({ project_name: 'rest', limit: 5 });
const renamed = await client.project.update(project.id, { name: 'rest2' });
const retrieved = await client.project.retrieve(project.id);
const inserted = await client.project.logs.insert(project.id, {
  events: [
    {
      id: 'r1',
      input: 'a',
      output: 'b',
      scores: { s: 0.5 },
      metadata: { user_id: '1' },
      tags: ['t'],
      metrics: { start: 1700000000, end: 1700000002 },
      span_attributes: { name: 'n', type: 'llm' },
    },
    { id: 'r1', _is_merge: true, metadata: { z: 1 } },
    { input: 'c' },
  ],
});
await client.project.logs.feedback(project.id, {
  feedback: [{ id: 'r1', scores: { a: 1 }, expected: 'x', comment: 'c', source: 'app', tags: ['u'] }],
});
const first = await client.project.logs.fetch(project.id, { limit: 1 });
const second = await client.project.logs.fetchPost(project.id, { limit: 1, cursor: first.cursor });
const filtered = await client.project.logs.fetchPost(project.id, {
  filters: [{ type: 'path_lookup', path: ['metadata', 'user_id'], value: '1' }],
});
const error = await client.project.logs.fetchPost(project.id, { cursor: 'c' }).catch((caught) => ({
  name: caught.constructor.name,
  status: caught.status,
  message: caught.message,
}));
const deleted = await client.project.delete(project.id);
console.log(
  JSON.stringify({
    project,
    listed: listed.objects,
    renamed,
    retrieved,
    inserted,
    first,
    second,
    filtered,
    error,
    deleted,
  }),
);
