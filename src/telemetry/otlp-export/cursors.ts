// How far each destination has come, on disk: the last seq that its receiver has acknowledged, or that was given up.
// Must stay true: what `save` has resolved for is on disk. Several saves at once become one write, so that many
// destinations wait for one disk together.
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readWhole, writeAtomic } from './atomic-file.ts';

export class Cursors {
  readonly #file: string;
  readonly #positions = new Map<string, number>();
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Reads the file, if there is one. */
  async load(damaged: (aside: string) => void): Promise<void> {
    const said = await readWhole(this.#file, damaged);
    if (typeof said !== 'object' || said === null) return;
    for (const [id, seq] of Object.entries(said))
      if (Number.isSafeInteger(seq) && (seq as number) >= 0) this.#positions.set(id, seq as number);
  }

  get(id: string): number | undefined {
    return this.#positions.get(id);
  }

  save(id: string, seq: number): Promise<void> {
    this.#positions.set(id, seq);
    return this.#write();
  }

  forget(id: string): Promise<void> {
    return this.#positions.delete(id) ? this.#write() : Promise.resolve();
  }

  /** One write at a time; who comes meanwhile shares the next one. */
  #write(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#writing === undefined) return this.#begin();
    const begin = () => this.#begin();
    this.#next = this.#writing.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const write = async () => {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      await writeAtomic(this.#file, `${JSON.stringify(Object.fromEntries(this.#positions))}\n`);
    };
    this.#writing = write().finally(() => (this.#writing = undefined));
    return this.#writing;
  }
}
