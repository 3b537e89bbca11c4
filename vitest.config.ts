// How the tests run. One worker process shares one module graph (isolate off): starting is the slow part.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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
