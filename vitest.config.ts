import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    // Many tests drive whole processes against a deadline. What fails three times is broken; what a machine that is
    // busy with something else did to a deadline is not.
    retry: 2,
    reporters: ['default'],
  },
});
