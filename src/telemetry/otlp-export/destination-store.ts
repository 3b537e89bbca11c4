// The destinations on disk: connections.json, in which header values stand encrypted.
// Must stay true: no header value is in the file in clear; an entry that cannot be read stays in the file as it is, so
// that a missing key destroys nothing.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readDestination, type Destination } from './destination.ts';
import { readWhole, writeAtomic } from './atomic-file.ts';
import { openBox, type SecretBox } from './encryption.ts';

const FILE = 'connections.json';

/** A destination of the file. `problem`: why it cannot be sent to, such as a value that does not open. */
export interface StoredDestination {
  readonly destination: Destination;
  readonly problem: string;
}

interface Sealed {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** A value opens for the same connection, receiver and header alone. */
const ownerOf = (id: string, url: string, header: string): string =>
  JSON.stringify([id, URL.parse(url)?.origin ?? '', header.toLowerCase()]);

export class DestinationStore {
  readonly #folder: string;
  readonly #key: string;
  #box: SecretBox | undefined;
  /** As they stand in the file, in order; those too that cannot be read. */
  #entries: readonly unknown[] = [];

  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#key = key;
  }

  /** Reads the file, if there is one. `problem` is told of what cannot be used. */
  async load(problem: (text: string) => void): Promise<StoredDestination[]> {
    const file = join(this.#folder, FILE);
    const said = await readWhole(file, (aside) =>
      problem(`${file} is no JSON and was set aside as ${aside}`),
    );
    const entries =
      typeof said === 'object' && said !== null && 'connections' in said ? said.connections : undefined;
    this.#entries = Array.isArray(entries) ? entries : [];
    const kept: StoredDestination[] = [];
    for (const entry of this.#entries) {
      const read = await this.#open(entry);
      if ('destination' in read) kept.push(read);
      if (read.problem !== '') problem(read.problem);
    }
    return kept;
  }

  /** Adds a destination or puts it in the place of the one with its id; on disk when it resolves. */
  async put(destination: Destination): Promise<void> {
    const sealed = await this.#seal(destination);
    const isNew = !this.#entries.some((entry) => idOf(entry) === destination.id);
    await this.#write(
      isNew
        ? [...this.#entries, sealed]
        : this.#entries.map((entry) => (idOf(entry) === destination.id ? sealed : entry)),
    );
  }

  remove(id: string): Promise<void> {
    return this.#write(this.#entries.filter((entry) => idOf(entry) !== id));
  }

  async #write(entries: readonly unknown[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeAtomic(join(this.#folder, FILE), `${JSON.stringify({ connections: entries }, null, 2)}\n`);
    this.#entries = entries;
  }

  async #unlocked(): Promise<SecretBox> {
    return (this.#box ??= await openBox(this.#folder, this.#key));
  }

  async #seal({ id, header_value: value, headers, ...rest }: Destination): Promise<Sealed> {
    const seal = async (name: string, text: string) =>
      text === '' ? '' : (await this.#unlocked()).seal(text, ownerOf(id, rest.endpoint_url, name));
    const sealed: Record<string, string> = {};
    for (const [name, text] of Object.entries(headers)) sealed[name] = await seal(name, text);
    return { id, ...rest, header_value: await seal(rest.header_name, value), headers: sealed };
  }

  async #open(entry: unknown): Promise<StoredDestination | { readonly problem: string }> {
    const id = idOf(entry);
    if (id === '') return { problem: `${FILE} has an entry without an id, which is left as it is` };
    const { id: _, header_value: value, headers, ...rest } = entry as Sealed;
    const locked: string[] = [];
    const open = async (name: string, sealed: unknown): Promise<string> => {
      if (sealed === '' || sealed === undefined) return '';
      const owner = ownerOf(id, String(rest['endpoint_url']), name);
      const text = typeof sealed === 'string' ? (await this.#unlocked()).open(sealed, owner) : undefined;
      if (text === undefined) locked.push(name);
      // In the place of what is not known; a connection with a problem is not sent to.
      return text ?? 'locked';
    };
    const opened: Record<string, string> = {};
    for (const [name, sealed] of Object.entries(headers ?? {})) opened[name] = await open(name, sealed);
    const headerValue = await open(String(rest['header_name']), value);
    const read = readDestination({ ...rest, header_value: headerValue, headers: opened });
    if ('problems' in read)
      return { problem: `connection ${id} of ${FILE} is left out: ${read.problems.join('; ')}` };
    const problem =
      locked.length === 0
        ? ''
        : `the value of ${locked.join(' and ')} cannot be decrypted with this key: give it again`;
    return { destination: { ...read.said, id }, problem };
  }
}

const idOf = (entry: unknown): string => {
  const id = typeof entry === 'object' && entry !== null ? (entry as Sealed).id : '';
  return typeof id === 'string' ? id : '';
};
