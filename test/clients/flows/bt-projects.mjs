// Several loggers of Braintrust's SDK at once, and spans whose parents are in other processes. Prints the ids.
import * as bt from 'braintrust';

const NEW_ID = '11111111-1111-4111-8111-111111111111';
const NAMED_ID = '22222222-2222-4222-8222-222222222222';

const a = bt.initLogger({
  projectName: 'A',
  onFlushError: console.error,
});
const byId = bt.initLogger({ projectId: NEW_ID, setCurrent: false });
const global = bt.initLogger({ setCurrent: false });
const named = bt.initLogger({ projectName: 'N', projectId: NAMED_ID, setCurrent: false });

const ids = [a, byId, global, named].map((logger, i) => logger.log({ input: `of logger ${i}` }));
await Promise.all([a, byId, global, named].map((logger) => logger.flush()));

const own = a.startSpan({
  name: 's1',
  startTime: 1700000000.5,
  event: { id: 'my-row', input: 1, metadata: { a: 1 } },
});
own.log({ metadata: { b: { c: 1 } } });
own.log({ metadata: { b: { d: 2 } }, error: 'bad' });
own.setAttributes({ name: 'renamed' });
own.end({ endTime: 1700000001.25 });

const parent = a.startSpan({ name: 'service A' });
const slug = await parent.export();
const child = bt.startSpan({ name: 'service B', parent: slug });
child.log({ input: 'from B' });
child.end();
parent.end();
await bt.updateSpan({ exported: slug, output: 'late' });

const remote = await a.traced(async (span) => ({ trace: span.rootSpanId, parents: span.spanParents }), {
  name: 'remote',
  parent: bt.extractTraceContextFromHeaders({
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    baggage: 'braintrust.parent=project_name%3AA',
  }),
});
await bt.flush();

const projects = await Promise.all([a, byId, global, named].map((logger) => logger.project));
console.log(
  JSON.stringify({
    projects: projects.map(({ id, name }) => ({ id, name })),
    ids,
    trace: parent.rootSpanId,
    remote,
  }),
);
