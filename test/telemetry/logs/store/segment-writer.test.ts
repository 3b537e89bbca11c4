import { join } from 'node:path';
import { expect, it } from 'vitest';
import { V1Writer } from '../../../kit/v1-writer.ts';
import { V1FileReader } from '../../../../src/telemetry/logs/store/v1/v1-reader.ts';
import { folder } from '../../../kit/folder.ts';
import { recordOf } from '../query/arbitrary.ts';

it('keeps the request ids of later records after an append that failed', () => {
  const path = join(folder(), 'logs-20261120-000000000000001.sqlite');
  const writer = new V1Writer(path);
  const entries = (...ids: string[]) => ids.map((requestId) => ({ record: recordOf({ requestId }) }));
  writer.append(entries('r1'), 1);
  // The sequence number 1 is used.
  expect(() => writer.append(entries('r2', 'r3'), 1)).toThrow('UNIQUE');
  writer.append(entries('r3', 'r1', 'r2'), 2);
  writer.close();
  const reader = new V1FileReader(path);
  expect([1, 2, 3, 4].map((seq) => reader.at(seq)?.requestId)).toEqual(['r1', 'r3', 'r1', 'r2']);
  reader.close();
});
