// Whose a request was: bounded, and the latest that is known.
import { expect, it } from 'vitest';
import { Owners } from '../../src/logs/owners.ts';

const owner = (replica: string) => ({ deployment: 'dep1', environment: 'production', replica });

it('has the latest that is known of a request, and forgets the oldest where there are too many', () => {
  const owners = new Owners(3);
  for (const id of ['a', 'b', 'c']) owners.put(id, owner(''));
  // Known again, with its replica: now b is the oldest.
  owners.put('a', owner('r0'));
  owners.put('d', owner('r1'));
  expect(['a', 'b', 'c', 'd'].map((id) => owners.get(id)?.replica)).toEqual(['r0', undefined, '', 'r1']);
});
