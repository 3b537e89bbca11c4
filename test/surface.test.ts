// Generated files are what the source says.
import { expect, it } from 'vitest';
import { outdated } from '../scripts/docs.ts';

it('generates docs/reference, the dashboard and the picture from the source (npm run docs)', async () => {
  expect([...(await outdated()).keys()]).toEqual([]);
});
