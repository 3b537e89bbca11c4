// Stores destinations in connections.json, with encrypted header values.
// Invariant: no header value is in the file in clear text; an entry that cannot be read stays in the file unchanged, so
// that a missing key destroys nothing.
import { join } from 'node:path';
import { readJsonFile, writeAtomic } from '../../core/atomic-file.ts';
import { parseDestination, type Destination } from './destination.ts';
import { openBox, type SecretBox } from '../../core/secret-box.ts';

const FILE = 'connections.json';

/** A destination of the file. `problem`: why it cannot be exported to: a header value that cannot be decrypted. */
export interface StoredDestination {
  readonly destination: Destination;
  readonly problem: string;
}

/** A destination with sealed header values, as it is in the file. */
interface SealedDestination {
  readonly id: string;
  readonly [name: string]: unknown;
}

/** The owner of a sealed value: it opens for the same destination, receiver and header only. */
const ownerOf = (id: string, url: string, header: string): string =>
  JSON.stringify([id, URL.parse(url)?.origin ?? '', header.toLowerCase()]);

export class DestinationStore {
  readonly #folder: string;
  readonly #key: string;
  #box: SecretBox | undefined;
  /** Entries of the file in order, including those that cannot be read. */
  #entries: readonly unknown[] = [];

  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#key = key;
  }

  /** Reads the file if it exists. `problem` is called for each entry that cannot be used. */
  async load(problem: (text: string) => void): Promise<StoredDestination[]> {
    const file = join(this.#folder, FILE);
    const content = await readJsonFile(file, (aside) =>
      problem(`${file} is not valid JSON; renamed to ${aside}`),
    );
    const entries =
      typeof content === 'object' && content !== null && 'connections' in content
        ? content.connections
        : undefined;
    this.#entries = Array.isArray(entries) ? entries : [];
    const stored: StoredDestination[] = [];
    for (const entry of this.#entries) {
      const opened = await this.#open(entry);
      if ('destination' in opened) stored.push(opened);
      if (opened.problem !== '') problem(opened.problem);
    }
    return stored;
  }

  /** Adds or replaces a destination. It is on disk when the promise resolves. */
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
    await writeAtomic(join(this.#folder, FILE), `${JSON.stringify({ connections: entries }, null, 2)}\n`);
    this.#entries = entries;
  }

  async #secretBox(): Promise<SecretBox> {
    return (this.#box ??= await openBox(this.#folder, this.#key));
  }

  async #seal({ id, header_value: value, headers, ...rest }: Destination): Promise<SealedDestination> {
    const seal = async (name: string, text: string) =>
      text === '' ? '' : (await this.#secretBox()).seal(text, ownerOf(id, rest.endpoint_url, name));
    const sealed: Record<string, string> = {};
    for (const [name, text] of Object.entries(headers)) sealed[name] = await seal(name, text);
    return { id, ...rest, header_value: await seal(rest.header_name, value), headers: sealed };
  }

  async #open(entry: unknown): Promise<StoredDestination | { readonly problem: string }> {
    const id = idOf(entry);
    if (id === '') return { problem: `${FILE} has an entry without an id; the entry is not used` };
    const { id: _, header_value: value, headers, ...rest } = entry as SealedDestination;
    const locked: string[] = [];
    const open = async (name: string, sealed: unknown): Promise<string> => {
      if (sealed === '' || sealed === undefined) return '';
      const owner = ownerOf(id, String(rest['endpoint_url']), name);
      const text = typeof sealed === 'string' ? (await this.#secretBox()).open(sealed, owner) : undefined;
      if (text === undefined) locked.push(name);
      // A placeholder. A destination with a problem is not exported to.
      return text ?? 'locked';
    };
    const opened: Record<string, string> = {};
    for (const [name, sealed] of Object.entries(headers ?? {})) opened[name] = await open(name, sealed);
    const headerValue = await open(String(rest['header_name']), value);
    const parsed = parseDestination({ ...rest, header_value: headerValue, headers: opened });
    if ('problems' in parsed)
      return {
        problem: `connection ${id} in ${FILE} is invalid and not used: ${parsed.problems.join('; ')}`,
      };
    const problem =
      locked.length === 0
        ? ''
        : `the stored value of header ${locked.join(', ')} cannot be decrypted with this key; set it again`;
    return { destination: { ...parsed.settings, id }, problem };
  }
}

const idOf = (entry: unknown): string => {
  const id = typeof entry === 'object' && entry !== null ? (entry as SealedDestination).id : '';
  return typeof id === 'string' ? id : '';
};
