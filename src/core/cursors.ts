// Cursors over the log store on disk: the sequence number of the last record that is finished, by reader.
// Invariant: when `save` resolves, the cursor is on disk. Concurrent saves share one write.
import { readJsonFile, writeAtomic } from './atomic-file.ts';

export class Cursors {
  readonly #file: string;
  readonly #cursors = new Map<string, number>();
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Reads the file if it exists. `damaged` gets the new name of a file that is not valid JSON. */
  async load(damaged: (aside: string) => void): Promise<void> {
    const content = await readJsonFile(this.#file, damaged);
    if (typeof content !== 'object' || content === null) return;
    for (const [id, seq] of Object.entries(content))
      if (Number.isSafeInteger(seq) && (seq as number) >= 0) this.#cursors.set(id, seq as number);
  }

  get(id: string): number | undefined {
    return this.#cursors.get(id);
  }

  save(id: string, seq: number): Promise<void> {
    this.#cursors.set(id, seq);
    return this.#write();
  }

  forget(id: string): Promise<void> {
    return this.#cursors.delete(id) ? this.#write() : Promise.resolve();
  }

  /** One write at a time. Saves during a write share the next one. */
  #write(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#writing === undefined) return this.#begin();
    const begin = () => this.#begin();
    this.#next = this.#writing.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const text = `${JSON.stringify(Object.fromEntries(this.#cursors))}\n`;
    this.#writing = writeAtomic(this.#file, text).finally(() => (this.#writing = undefined));
    return this.#writing;
  }
}
