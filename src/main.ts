// The entry point. It names a package that is not installed instead of printing a stack trace.
import { fileURLToPath } from 'node:url';

/** Loads the command line. */
async function load(): Promise<typeof import('./cli/cli.ts')> {
  try {
    return await import('./cli/cli.ts');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, name] = /^Cannot find package '([^']+)'/.exec(message) ?? [];
    if (code !== 'ERR_MODULE_NOT_FOUND' || name === undefined) throw error;
    const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
    process.stderr.write(`weir: package ${name} is not installed; run npm ci in ${root}\n`);
    // As EXIT.unavailable (cli/usage-errors.ts), which cannot be imported where packages are missing.
    process.exit(69);
  }
}

const { main } = await load();
process.exit(await main(process.argv.slice(2)));
