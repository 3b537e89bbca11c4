// Saved views of the page: a name for an address within it. Kept in a file of the data folder.
// Invariant: a change is acknowledged after it is on disk, and an address never leads away from the page.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readJsonFile, setAside, writeAtomic } from '../../../core/atomic-file.ts';
import { describe } from '../../../core/errors.ts';
import type { Component } from '../../../core/lifecycle.ts';
import type { Logger } from '../../../core/logger.ts';
import { unknownName } from '../../../core/nearest-name.ts';
import type { ViewAnswer } from '../answers/view-answers.ts';

const FILE = 'views.json';
const MAX_VIEWS = 500;
const MAX_NAME = 100;
const MAX_ADDRESS = 8192;
const FIELDS = ['name', 'address'];

/** What a client says of a view. */
type ViewChange = Partial<Pick<ViewAnswer, 'name' | 'address'>>;

/** `not_found`: no view has the id. */
export type ViewRefusal = 'not_found' | readonly string[];

/** Whether a text is a path of the page with its query. A browser reads `\` as `/`, and `//` as another host. */
function isPageAddress(text: string): boolean {
  if (!/^\/ui(?:[/?#]|$)/.test(text) || /[\p{Cc}\s\\]/u.test(text)) return false;
  const url = URL.parse(text, 'http://page');
  return url?.host === 'page' && /^\/ui(?:\/|$)/.test(url.pathname);
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= MAX_NAME && !/\p{Cc}/u.test(value);

const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_ADDRESS && isPageAddress(value);

/** Reads the fields of a view, or returns all their problems. */
function readChange(value: unknown): ViewChange | string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['a view must be an object such as {"name": "errors", "address": "/ui/logs?q=level:error"}'];
  const { name, address, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map((field) => unknownName('field', field, FIELDS));
  if (name !== undefined && !isName(name))
    problems.push(`name: must be a text of 1 to ${MAX_NAME} characters`);
  if (address !== undefined && !isAddress(address))
    problems.push(
      `address: must be a path of the page that begins with /ui/, of at most ${MAX_ADDRESS} characters, without spaces`,
    );
  if (problems.length > 0) return problems;
  return {
    ...(name !== undefined && { name: name as string }),
    ...(address !== undefined && { address: address as string }),
  };
}

function isStored(value: unknown): value is ViewAnswer {
  const view = (value ?? {}) as Partial<Record<keyof ViewAnswer, unknown>>;
  const areTexts = [view.id, view.created_by, view.created_at, view.updated_at].every(
    (text) => typeof text === 'string',
  );
  return areTexts && isName(view.name) && isAddress(view.address);
}

export class Views implements Component {
  readonly name = 'views';
  readonly #file: string | undefined;
  readonly #log: Logger;
  #views: readonly ViewAnswer[] = [];
  /** The last change, which the next one waits for. */
  #last: Promise<unknown> = Promise.resolve();

  /** `folder`: where the file is; `undefined`: nothing is stored. */
  constructor(folder: string | undefined, log: Logger) {
    this.#file = folder === undefined ? undefined : join(folder, FILE);
    this.#log = log;
  }

  /** Reads the file. Without a usable one there are no views. */
  async start(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const unusable = (problem: string): void =>
      this.#log.warn('saved views cannot be used', { file, problem });
    try {
      const value = await readJsonFile(file, (aside) => unusable(`not JSON; renamed to ${aside}`));
      if (value === undefined) return;
      const views = (value as { views?: unknown }).views;
      if (Array.isArray(views) && views.every(isStored)) this.#views = views;
      else unusable(`damaged; renamed to ${await setAside(file)}`);
    } catch (error) {
      unusable(describe(error));
    }
  }

  /** Resolves when the last change is on disk. */
  async stop(): Promise<void> {
    await this.#last;
  }

  /** False: nothing is stored, so no view can be changed. */
  get canStore(): boolean {
    return this.#file !== undefined;
  }

  /** In the order of names. */
  list(): readonly ViewAnswer[] {
    return this.#views.toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** Saves a view. `by`: name of the key that saves it. */
  async create(value: unknown, by: string): Promise<ViewAnswer | ViewRefusal> {
    const asked = readChange(value);
    if (Array.isArray(asked)) return asked;
    const { name, address } = asked;
    const missing = FIELDS.filter((field) => asked[field as keyof ViewChange] === undefined);
    if (name === undefined || address === undefined) return missing.map((field) => `${field}: is missing`);
    return this.#change((views) => {
      if (views.length >= MAX_VIEWS) return [`there are ${MAX_VIEWS} views already; remove one first`];
      if (views.some((view) => view.name === name)) return [nameTaken(name)];
      const now = new Date().toISOString();
      const id = `view_${randomBytes(6).toString('hex')}`;
      return { id, name, address, created_by: by, created_at: now, updated_at: now };
    });
  }

  /** Changes the given fields. */
  async change(id: string, value: unknown): Promise<ViewAnswer | ViewRefusal> {
    const asked = readChange(value);
    if (Array.isArray(asked)) return asked;
    return this.#change((views) => {
      const view = views.find((one) => one.id === id);
      if (view === undefined) return 'not_found';
      if (views.some((one) => one.id !== id && one.name === asked.name)) return [nameTaken(asked.name!)];
      return { ...view, ...asked, updated_at: new Date().toISOString() };
    });
  }

  /** Removes a view. False: no view has the id. */
  remove(id: string): Promise<boolean> {
    return this.#exclusive(async () => {
      const rest = this.#views.filter((view) => view.id !== id);
      if (rest.length === this.#views.length) return false;
      await this.#write(rest);
      return true;
    });
  }

  /** Adds or replaces the view that `make` returns. */
  #change(
    make: (views: readonly ViewAnswer[]) => ViewAnswer | ViewRefusal,
  ): Promise<ViewAnswer | ViewRefusal> {
    return this.#exclusive(async () => {
      const made = make(this.#views);
      if (typeof made === 'string' || !('id' in made)) return made;
      await this.#write([...this.#views.filter(({ id }) => id !== made.id), made]);
      return made;
    });
  }

  async #write(views: readonly ViewAnswer[]): Promise<void> {
    await writeAtomic(this.#file!, `${JSON.stringify({ views }, null, 2)}\n`);
    this.#views = views;
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

const nameTaken = (name: string): string =>
  `name: another view has the name ${JSON.stringify(name)}; choose another one, or change that view`;
