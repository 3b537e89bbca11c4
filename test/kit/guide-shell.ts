// Runs the commands of a page's shell blocks against a running weir, as a reader would: ports, ids and variables are
// replaced by the real ones, and `ID=...` takes its value from the response before it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BIN, type Weir } from './weir.ts';

const run = promisify(execFile);

/** Variables that a page sets to `...`, and where their value is in the response before. */
const FROM_RESPONSE: Readonly<Record<string, string>> = {
  ID: 'request_id',
  C: 'id',
  R: 'id',
  KEY: 'key',
  URL: 'url',
  N: 'annotation_id',
  S: 'span_id',
};

export class GuideShell {
  readonly #weir: Weir;
  readonly #cwd: string;
  readonly #variables = new Map<string, string>();
  /** Text → what stands for it here. */
  readonly #replaced: readonly (readonly [string, string])[];
  #lastBody = '';

  /** `replaced`: further texts of the page that differ here. */
  constructor(weir: Weir, cwd: string, replaced: readonly (readonly [string, string])[]) {
    this.#weir = weir;
    this.#cwd = cwd;
    this.#replaced = [
      ['127.0.0.1:8080', `127.0.0.1:${weir.port}`],
      ['127.0.0.1:9464', `127.0.0.1:${weir.adminPort}`],
      ...replaced,
    ];
  }

  /** Runs one command. Resolves to its output, or `undefined` for a command that is not run here. */
  async run(command: string): Promise<string | undefined> {
    const [, name, value] = /^([A-Z]+)=(\S*)$/.exec(command) ?? [];
    if (name !== undefined) {
      const isOpen = value!.endsWith('...');
      this.#variables.set(name, isOpen ? this.#fromResponse(name) : this.#real(value!));
      return undefined;
    }
    // Skips commands that never end, and other programs.
    if (/^(?!curl|echo|bin\/weir logs|weir (?:logs|health))|weir logs .*-f\b/.test(command)) return undefined;
    const isTail = command.includes('curl -N');
    const real = this.#real(command)
      .replace('bin/weir', 'weir')
      .replace('curl ', `curl -sS --fail-with-body ${isTail ? '--max-time 1 ' : ''}`);
    const env = {
      ...process.env,
      ...Object.fromEntries(this.#variables),
      PATH: `${BIN.replace(/\/weir$/, '')}:${process.env['PATH']}`,
      WEIR_CLIENT_URL: this.#weir.admin,
    };
    // A live tail does not end by itself. curl exits with 28 at its time limit.
    const script = isTail ? `${real} || test $? = 28` : real;
    const { stdout } = await run('sh', ['-c', script], { cwd: this.#cwd, env });
    this.#lastBody = stdout;
    return stdout;
  }

  #fromResponse(name: string): string {
    const found = new RegExp(`"${FROM_RESPONSE[name]}": *"([^"]+)"`).exec(this.#lastBody);
    if (!found) throw new Error(`no ${FROM_RESPONSE[name]} for ${name} in: ${this.#lastBody}`);
    return found[1]!;
  }

  #real(text: string): string {
    let real = text;
    for (const [from, to] of this.#replaced) real = real.replaceAll(from, to);
    return real;
  }
}
