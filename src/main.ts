// The entrance: arguments in, exit code out. Packages are looked for here, so that one that is missing is told in a
// sentence.
import { fileURLToPath } from 'node:url';

/** Loads the command line, or says what is not installed. */
async function load(): Promise<typeof import('./cli/cli.ts')> {
  try {
    return await import('./cli/cli.ts');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, name] = /^Cannot find package '([^']+)'/.exec(message) ?? [];
    if (code !== 'ERR_MODULE_NOT_FOUND' || name === undefined) throw error;
    const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
    process.stderr.write(`weir: package ${name} is not installed; run npm ci in ${root}\n`);
    // As EXIT.unavailable (cli/problems.ts), which cannot be imported where packages are missing.
    process.exit(69);
  }
}

const { main } = await load();
process.exit(await main(process.argv.slice(2)));
