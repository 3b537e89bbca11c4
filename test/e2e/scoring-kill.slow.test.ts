// Online scoring in a real weir that is killed many times.
import { afterEach, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { expectEachScoredOnce } from '../kit/scoring-rounds.ts';
import { stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  removeFolders();
});

it(
  'scores each span and each request once, though weir is killed 24 times meanwhile',
  () => expectEachScoredOnce(24),
  600_000,
);
