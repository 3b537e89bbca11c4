// Attachments of Braintrust's SDK, uploaded, and read again through their references. Prints what was read.
import * as bt from 'braintrust';

await bt.login();
const logger = bt.initLogger({ projectName: 'files', onFlushError: console.error });
const image = new bt.Attachment({
  data: new Blob(['PNGDATA']),
  filename: 'a.png',
  contentType: 'image/png',
});
const json = new bt.JSONAttachment({ big: [1, 2, 3] }, { filename: 'd.json' });
const external = new bt.ExternalAttachment({
  url: 's3://bucket/key',
  filename: 'e.pdf',
  contentType: 'application/pdf',
});
const span = logger.startSpan({ name: 'with files' });
span.log({ input: { image, json, external } });
span.end();
await logger.flush();

const read = new bt.ReadonlyAttachment(image.reference);
console.log(
  JSON.stringify({
    project: (await logger.project).id,
    text: await (await read.data()).text(),
    status: await read.status(),
  }),
);
