// How the tests run. One worker process shares one module graph (isolate off): starting is the slow part.
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
    coverage: { include: ['src/**'] },
  },
});
