// Applies changes of the configuration file, the certificates and the file of client keys to a running sidecar.
// Invariant: an invalid file changes nothing.
import { readFileSync } from 'node:fs';
import type { Sidecar } from '../app/sidecar.ts';
import { explain, load, needRestart, type Loaded } from '../config/config.ts';
import { watchFile, type FileWatch } from '../config/watch.ts';
import type { ExplainedSetting } from '../core/explained-setting.ts';

type Valid = Extract<Loaded, { ok: true }>;

export class Reloader {
  readonly #args: readonly string[];
  readonly #file: Valid['file'];
  readonly #hasCertificates: boolean;
  /** The file of client keys with its text; `undefined`: there is none. */
  readonly #keys: { readonly file: string; readonly text: string } | undefined;
  #current: Valid;
  #sidecar: Sidecar | undefined;
  #fileWatch: FileWatch | undefined;
  #keyWatch: FileWatch | undefined;
  #watches: FileWatch[] = [];
  #isReloadPending = false;

  /** `args`: the command line that `loaded` was read from. */
  constructor(args: readonly string[], loaded: Valid) {
    this.#args = args;
    const { file: keys } = loaded.config.client_keys;
    this.#keys = keys === '' ? undefined : { file: keys, text: textOf(keys) ?? '' };
    this.#current = loaded;
    this.#file = loaded.file;
    const { ingress, admin, scale } = loaded.config;
    this.#hasCertificates = [ingress, admin, scale].some(({ tls }) => tls.cert !== '');
  }

  /** True if there is a file that can be reloaded. */
  get hasFiles(): boolean {
    return this.#file !== undefined || this.#hasCertificates || this.#keys !== undefined;
  }

  /** Begins to watch the files. */
  start(sidecar: Sidecar): void {
    this.#sidecar = sidecar;
    this.#fileWatch =
      this.#file && watchFile(this.#file.path, this.#file.text, () => void this.#applyFile(sidecar));
    if (this.#isReloadPending) this.reload();
    const { certificates } = sidecar;
    // What is there now may differ from what was read at the start, and files change one after the other.
    certificates.renew();
    this.#watches = certificates.paths.map((file) =>
      watchFile(file, textOf(file) ?? '', () => certificates.renew()),
    );
    this.#keyWatch = this.#keys && watchFile(this.#keys.file, this.#keys.text, () => sidecar.reloadKeys());
  }

  /** Reads all files now, whether they have changed or not. Before `start`: as soon as it is called. */
  reload(): void {
    const sidecar = this.#sidecar;
    if (sidecar === undefined) {
      this.#isReloadPending = true;
      return;
    }
    // Read before it is loaded, so that the watch detects a change in between.
    const text = this.#file && textOf(this.#file.path);
    if (text !== undefined) this.#fileWatch?.wasRead(text);
    void this.#applyFile(sidecar);
    sidecar.certificates.renew();
    if (this.#keys === undefined) return;
    const keys = textOf(this.#keys.file);
    if (keys !== undefined) this.#keyWatch?.wasRead(keys);
    sidecar.reloadKeys();
  }

  /** The settings in use, with their origins. */
  explain(): ExplainedSetting[] {
    return explain(this.#current.config, this.#current.given);
  }

  stop(): void {
    for (const watch of this.#watches) watch.stop();
    this.#fileWatch?.stop();
    this.#keyWatch?.stop();
  }

  /** Loads the configuration and applies the part that needs no restart: the deployments. */
  async #applyFile(sidecar: Sidecar): Promise<void> {
    const wanted = load(this.#args, process.env);
    const problems = wanted.ok
      ? [await sidecar.update(wanted.config.deployments)].filter(Boolean)
      : wanted.problems;
    if (!wanted.ok || problems.length > 0) {
      sidecar.log.event('configuration_refused', { problems });
      return;
    }
    const current = this.#current;
    const restart = needRestart(current.config, wanted.config);
    const isOfDeployments = ({ path }: Valid['given'][number]) => path[0] === 'deployments';
    this.#current = {
      ...wanted,
      config: { ...current.config, deployments: wanted.config.deployments },
      given: [
        ...current.given.filter((one) => !isOfDeployments(one)),
        ...wanted.given.filter(isOfDeployments),
      ],
    };
    sidecar.log.event('configuration_reloaded', { take_a_restart: restart.length > 0 ? restart : undefined });
  }
}

/** The text of a file; `undefined` if it cannot be read, which `load` reports. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
