// The entry point. It names a package that is not installed instead of printing a stack trace.
// Invariant: an error that nothing handles is printed with lines of the sources.
import { fileURLToPath } from 'node:url';
import { useCompileCache } from './core/compile-cache.ts';
import { packageFile } from './core/package-file.ts';
import { sourceStack } from './core/source-stack.ts';

/** Prints the error and returns the exit code: one of EXIT (cli/usage-errors.ts), which may not have been loaded. */
function fail(error: unknown): number {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, name] = /^Cannot find package '([^']+)'/.exec(message) ?? [];
  if (code !== 'ERR_MODULE_NOT_FOUND' || name === undefined) {
    process.stderr.write(`${sourceStack(error)}\n`);
    return 70;
  }
  const root = fileURLToPath(packageFile('')).replace(/\/$/, '');
  process.stderr.write(`weir: package ${name} is not installed; run npm ci in ${root}\n`);
  return 69;
}

// Sources change too often for a cache.
if (import.meta.url.endsWith('.js')) useCompileCache();
let code: number;
try {
  const { main } = await import('./cli/cli.ts');
  code = await main(process.argv.slice(2));
} catch (error) {
  code = fail(error);
}
process.exit(code);
