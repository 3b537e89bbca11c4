// How the tests run: npm test the quick ones, npm run test:slow those in *.slow.test.ts, which take long by nature (floods,
// kills under load, large bodies, contracts repeated over TLS, both lanes compared, programs of others, pauses and intervals). One worker process shares one module graph (isolate off): starting is the slow part.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const SLOW = 'test/**/*.slow.test.ts';
const suites: Record<string, { include: string[]; exclude: string[] }> = {
  quick: { include: ['test/**/*.test.ts'], exclude: [SLOW] },
  slow: { include: [SLOW], exclude: [] },
  all: { include: ['test/**/*.test.ts'], exclude: [] },
};
const suite = suites[process.env['TEST_SUITE'] ?? 'quick'];
if (suite === undefined) throw new Error(`TEST_SUITE must be one of ${Object.keys(suites).join(', ')}`);

export default defineConfig({
  test: {
    ...suite,
    isolate: false,
    // Most of a test is waiting for another process.
    maxWorkers: 3,
    testTimeout: 30_000,
    // Hooks start servers.
    hookTimeout: 90_000,
    // The sources are compiled once, not at every start of weir.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/weir', import.meta.url)) },
    coverage: { include: ['src/**'] },
  },
});
