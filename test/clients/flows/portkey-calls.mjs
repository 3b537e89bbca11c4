// Every call of Portkey's client that has to do with logs, in the form of objects. Prints a line of JSON for each answer.
import { Portkey } from 'portkey-ai';

const client = new Portkey({
  apiKey: process.env.KEY,
  baseURL: process.env.BASE_URL,
  traceID: 'trace-abc',
  metadata: { _user: 'u1', env: 'dev' },
  debug: false,
});
const show = (call, answer) => {
  console.log(JSON.stringify({ call, answer, traceId: answer?.getHeaders?.()?.['trace-id'] }));
  return answer;
};
const { exports } = client.logs;

const log = (model) => ({
  request: {
    url: 'http://x/v1/chat/completions',
    method: 'post',
    headers: {},
    body: { model, messages: [] },
  },
  response: { status: 200, headers: {}, body: { choices: [] }, response_time: 120, streamingMode: false },
  metadata: { traceId: 't1', spanId: 's1', spanName: 'n', parentSpanId: 'p', user: 'u' },
});
const inserted = show('insert', await client.logs.create(log('m1')));
show('insert a list', await client.logs.create([log('m2'), log('m3')]));
show('get', await client.get(`/logs/${inserted.ids[0]}`));

const created = show(
  'create',
  await exports.create({
    filters: { time_of_generation_min: '2024-01-01T00:00:00Z' },
    requestedData: ['id', 'ai_model', 'total_units', 'total_tokens'],
    workspaceId: 'ws-1',
    description: 'demo',
  }),
);
const exportId = created.id;
show('list', await exports.list({ workspaceId: 'ws-1', page_size: 10, current_page: 0 }));
show('list all', await exports.list({}));
show(
  'update',
  await exports.update({
    exportId,
    workspaceId: 'ws-1',
    filters: { ai_model: 'm1,m3' },
    requestedData: ['res_units', 'ai_model', 'response_tokens'],
  }),
);
show('start', await exports.start({ exportId }));
for (;;) {
  const retrieved = await exports.retrieve({ exportId });
  if (retrieved.status === 'in_progress') continue;
  show('retrieve', retrieved);
  break;
}
const download = show('download', await exports.download({ exportId }));
show('file', { text: await (await fetch(download.url)).text() });
const other = await exports.create({ filters: {}, description: 'other' });
await exports.start({ exportId: other.id });
try {
  show('cancel', await exports.cancel({ exportId: other.id }));
} catch (error) {
  show('cancel', { message: error.message });
}
show('restrictions', await client.get('/logs/exports/field-restrictions?workspace_id=ws-1'));

const rated = show(
  'feedback',
  await client.feedback.create({ traceID: 't1', value: 5, weight: 0.5, metadata: { a: 'b' } }),
);
show(
  'feedback list',
  await client.feedback.create([
    { traceID: 't1', value: 5 },
    { traceID: 't2', value: -5 },
  ]),
);
show(
  'feedback update',
  await client.feedback.update({ feedbackID: rated.feedback_ids[0], value: 1, weight: 1 }),
);
