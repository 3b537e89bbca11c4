// A data thread of a test: records requests until it is told to stop. workerData: RecorderConnection and `name`.
// Messages to it: `{ count }` records so many requests, with bodies that differ; a RecorderConnection connects anew.
import { parentPort, workerData } from 'node:worker_threads';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { InputFigures } from '../../src/telemetry/logs/recorder/input-figures.ts';
import type { RecorderConnection } from '../../src/telemetry/logs/recorder/recorder-client.ts';
import { RecorderInput } from '../../src/telemetry/logs/recorder/recorder-input.ts';
import { RequestRecorder } from '../../src/telemetry/logs/recorder/request-recorder.ts';

const { ring, figures, input, hasLines, port, recorderThread, name } = workerData as RecorderConnection & {
  name: string;
};
const recorderInput = new RecorderInput(ring, new InputFigures(figures, input), hasLines);
recorderInput.connect(port, recorderThread);
const requests = new RequestRecorder(recorderInput);
const exchanges = new Exchanges({ trust_inbound: false });
const BODY_SIZES = [0, 100, 100_000];
let n = 0;

function record(): void {
  const exchange = exchanges.open(undefined);
  Object.assign(exchange, { method: 'POST', target: `/${name}/${n}`, replica: `r-${name}-${n % 3}` });
  exchange.close('ok', 200);
  const size = BODY_SIZES[n % BODY_SIZES.length]!;
  const text = `${name} ${n} `.padEnd(size, 'x');
  const body = { bytes: new Uint8Array(Buffer.from(text)), type: 'text/plain', coding: '', isCut: false };
  const deployment = { id: 'dep1', environment: 'production' };
  requests.ended(exchange, deployment, size === 0 ? undefined : { request: body, response: undefined });
  n++;
}

parentPort!.on('message', (message: { count: number } | RecorderConnection) => {
  if ('count' in message) {
    for (let i = 0; i < message.count; i++) record();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort!.postMessage(n);
  } else recorderInput.connect(message.port, message.recorderThread);
});
