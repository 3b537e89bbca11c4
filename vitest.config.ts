// Test configuration. npm test runs the quick tests, npm run test:slow those in *.slow.test.ts: floods, kills under
// load, large bodies, contracts repeated over TLS, comparisons of the lanes, other programs, pauses and intervals.
// Test files in one worker share their modules (isolate: false), since loading them takes most of the time.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const SLOW = 'test/**/*.slow.test.ts';
/** A package of its own, with packages in it. */
const CLIENTS = 'test/clients/**';
const suites: Record<string, { include: string[]; exclude: string[] }> = {
  quick: { include: ['test/**/*.test.ts'], exclude: [CLIENTS, SLOW] },
  slow: { include: [SLOW], exclude: [CLIENTS] },
  all: { include: ['test/**/*.test.ts'], exclude: [CLIENTS] },
};
const suite = suites[process.env['TEST_SUITE'] ?? 'quick'];
if (suite === undefined) throw new Error(`TEST_SUITE must be one of ${Object.keys(suites).join(', ')}`);

export default defineConfig({
  test: {
    ...suite,
    isolate: false,
    globalSetup: ['test/page/kit/setup.ts'],
    // Tests mostly wait for other processes.
    maxWorkers: 3,
    // Slow ones run programs of others, such as a browser, three at a time.
    testTimeout: process.env['TEST_SUITE'] === undefined ? 30_000 : 90_000,
    // Hooks start servers.
    hookTimeout: 90_000,
    // Caches compiled sources, so that weir starts faster.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/weir', import.meta.url)) },
    coverage: { include: ['src/**'] },
  },
});
