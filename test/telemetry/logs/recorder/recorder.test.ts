// The recorder on the thread of the test: what does not fit into the ring is left out whole, and secrets are removed.
import { afterEach, expect, it } from 'vitest';
import { Exchanges, type Exchange } from '../../../../src/core/exchange/exchange.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { OwnRecorder } from '../../../kit/own-recorder.ts';
import { bytesIn } from '../../../kit/stored-bytes.ts';
import { recordsIn, type StoredRecord } from '../../../kit/stored-records.ts';

afterEach(removeFolders);

const exchanges = new Exchanges({ trust_inbound: false });
function ended(target: string): Exchange {
  const exchange = exchanges.open(undefined);
  Object.assign(exchange, { method: 'POST', target });
  exchange.close('ok', 200);
  return exchange;
}

const bodyOf = (text: string) => ({
  request: { bytes: new Uint8Array(Buffer.from(text)), type: 'text/plain', coding: '', isCut: false },
  response: undefined,
});

it('does not give the bodies of a request that did not fit into the ring to the next request', async () => {
  const recorder = new OwnRecorder(8192);
  const { frames, ring } = recorder;
  // Announces the texts of the requests.
  expect(frames.request(ended('/a'), undefined, true, false)).toBe(true);
  // Leaves room for the bodies, but not for their request.
  while (ring.reserve(400) !== -1) expect(frames.line('x'.repeat(60))).toBe(true);
  expect(frames.bodies(bodyOf('of the request that is dropped'))).toBe(true);
  expect(frames.request(ended('/a'), undefined, true, true)).toBe(false);
  recorder.drain();
  expect(frames.request(ended('/a'), undefined, true, false)).toBe(true);
  expect(frames.bodies(bodyOf('its own'))).toBe(true);
  expect(frames.request(ended('/a'), undefined, true, true)).toBe(true);
  await recorder.close();
  expect(recordsIn(recorder.data).map(({ request }) => request)).toEqual([undefined, undefined, 'its own']);
});

it('removes secrets from the path and the detail of a request', async () => {
  const recorder = new OwnRecorder(8192);
  const exchange = ended('/models/sk-hunter2hunter2hunter2/x');
  exchange.detail = 'replica refused password=hunter2hunter2hunter2';
  expect(recorder.frames.request(exchange, undefined, true, false)).toBe(true);
  await recorder.close();
  const [{ message, fields }] = recordsIn(recorder.data) as [StoredRecord];
  expect(message).toBe('POST /models/[redacted]/x 200: replica refused password=[redacted]');
  expect(fields).toMatchObject({
    path: '/models/[redacted]/x',
    detail: 'replica refused password=[redacted]',
  });
  for (const [path, bytes] of bytesIn(recorder.data)) expect(bytes.includes('hunter2'), path).toBe(false);
});
