// Pod and model of the records that the ingester makes.
import { expect, it } from 'vitest';
import { Ingester } from '../../../../src/telemetry/logs/ingest/ingester.ts';
import { BLANK } from '../../../kit/records.ts';

const origin = { deployment: 'dep1', environment: 'production', replica: 'abc12', source: 'stdout' };
const ingester = new Ingester({
  maxLineBytes: 4096,
  files: [],
  fileOrigin: origin,
  retentionMs: 86_400_000,
  own: { pod: 'pod1-0a1b2c3d', modelId: 'mdl1' },
  maxBodyBytes: 4096,
  redactsCommonSecrets: true,
  redactPatterns: [],
});

it('writes the pod and the model of this weir into lines', () => {
  ingester.openStream(1, origin);
  // A changed origin changes neither.
  ingester.openStream(1, { ...origin, replica: 'xyz99' });
  const records = [
    ...ingester.addBytes(1, Buffer.from('streamed\n')),
    ...ingester.end(),
    ...ingester.linesOf(Buffer.from('posted'), origin),
  ];
  expect(records.map(({ message, pod, modelId }) => [message, pod, modelId])).toEqual([
    ['streamed', 'pod1-0a1b2c3d', 'mdl1'],
    ['posted', 'pod1-0a1b2c3d', 'mdl1'],
  ]);
});

it('writes them into posted records that name none, and keeps those of other records', () => {
  const stored = (pod: string, modelId: string) => ingester.sanitized({ ...BLANK, pod, modelId });
  expect(stored('', '')).toMatchObject({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' });
  expect(stored('pod9', '')).toMatchObject({ pod: 'pod9', modelId: 'mdl1' });
  expect(stored('pod9', 'mdl9')).toMatchObject({ pod: 'pod9', modelId: 'mdl9' });
});
