// The latest replica of each request, for a limited number of requests.
import { expect, it } from 'vitest';
import { RequestOwners } from '../../../../src/telemetry/logs/ingest/request-owners.ts';

const owner = (replica: string) => ({ deployment: 'dep1', environment: 'production', replica });

it('keeps the latest owner of a request, and removes the oldest request if there are too many', () => {
  const owners = new RequestOwners(3);
  for (const id of ['a', 'b', 'c']) owners.put(id, owner(''));
  // Set again, so now b is the oldest.
  owners.put('a', owner('r0'));
  owners.put('d', owner('r1'));
  expect(['a', 'b', 'c', 'd'].map((id) => owners.get(id)?.replica)).toEqual(['r0', undefined, '', 'r1']);
});
