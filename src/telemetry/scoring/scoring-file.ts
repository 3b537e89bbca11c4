// The rules and stored scorers on disk, in one file. Header values of judges are encrypted.
// Invariant: a change is on disk before it is acknowledged; an entry that cannot be read stays in the file unchanged, so
// that a missing key destroys nothing.
import { join } from 'node:path';
import { readJsonFile, writeAtomic } from '../../core/atomic-file.ts';
import { openBox, type SecretBox } from '../../core/secret-box.ts';
import { isBackfill, type Backfill } from './backfill.ts';
import { parseRule, type ScoringRule } from './rule.ts';
import { parseStoredScorer } from './scorer-definition.ts';
import type { StoredFunction } from './stored-function.ts';

const FILE = 'scoring.json';

/** A rule, and its last backfill. */
export interface StoredRule {
  readonly rule: ScoringRule;
  readonly backfill: Backfill | undefined;
}

export interface ScoringContent {
  readonly rules: readonly StoredRule[];
  readonly functions: readonly StoredFunction[];
}

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/** The owner of a sealed value: it opens for the same scorer and receiver only. */
const ownerOf = (id: string, url: string): string =>
  JSON.stringify(['scorer', id, URL.parse(url)?.origin ?? '']);

export class ScoringFile {
  readonly #folder: string;
  readonly #key: string;
  #box: SecretBox | undefined;
  /** Entries that cannot be read. */
  #unusable: { readonly rules: readonly unknown[]; readonly functions: readonly unknown[] } = {
    rules: [],
    functions: [],
  };

  /** `key`: encrypts header values; empty: the key in the folder. */
  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#key = key;
  }

  /** Reads the file if it exists. `problem` is called for each entry that cannot be used. */
  async load(problem: (text: string) => void): Promise<ScoringContent> {
    const file = join(this.#folder, FILE);
    const content = await readJsonFile(file, (aside) =>
      problem(`${file} is not valid JSON; renamed to ${aside}`),
    );
    const { rules, functions } = isObject(content) ? content : {};
    const read = listIn(rules).map((entry) => ({ entry, read: readRule(entry) }));
    const opened = await Promise.all(
      listIn(functions).map(async (entry) => ({ entry, read: await this.#openFunction(entry) })),
    );
    const problems = [...read, ...opened].flatMap(({ read: one }) => (typeof one === 'string' ? [one] : []));
    problems.forEach(problem);
    this.#unusable = {
      rules: read.filter(({ read: one }) => typeof one === 'string').map(({ entry }) => entry),
      functions: opened.filter(({ read: one }) => typeof one === 'string').map(({ entry }) => entry),
    };
    return {
      rules: read.flatMap(({ read: one }) => (typeof one === 'string' ? [] : [one])),
      functions: opened.flatMap(({ read: one }) => (typeof one === 'string' ? [] : [one])),
    };
  }

  async save({ rules, functions }: ScoringContent): Promise<void> {
    const content = {
      rules: [...this.#unusable.rules, ...rules],
      functions: [
        ...this.#unusable.functions,
        ...(await Promise.all(functions.map((one) => this.#sealed(one)))),
      ],
    };
    await writeAtomic(join(this.#folder, FILE), `${JSON.stringify(content, null, 2)}\n`);
  }

  async #secretBox(): Promise<SecretBox> {
    return (this.#box ??= await openBox(this.#folder, this.#key));
  }

  async #sealed(one: StoredFunction): Promise<Fields> {
    const { scorer, id } = one;
    if (scorer.kind !== 'judge' || scorer.header_value === '') return { ...one };
    const sealed = (await this.#secretBox()).seal(scorer.header_value, ownerOf(id, scorer.url));
    return { ...one, scorer: { ...scorer, header_value: sealed } };
  }

  /** A text is what is wrong with an entry. */
  async #openFunction(entry: unknown): Promise<StoredFunction | string> {
    if (!isObject(entry) || typeof entry['id'] !== 'string') return `${FILE} has a scorer without an id`;
    const { id, projectId, createdMs, scorer } = entry;
    const fields = isObject(scorer) ? scorer : {};
    const { header_value: sealed, url } = fields;
    let opened: unknown = sealed;
    if (typeof sealed === 'string' && sealed !== '') {
      opened = (await this.#secretBox()).open(sealed, ownerOf(id, String(url)));
      if (opened === undefined)
        return `the header value of scorer ${id} in ${FILE} cannot be decrypted with this key; store the scorer again`;
    }
    const read = parseStoredScorer({ ...fields, ...(sealed === undefined ? {} : { header_value: opened }) });
    if ('problems' in read) return `scorer ${id} in ${FILE} cannot be used: ${read.problems.join('; ')}`;
    return {
      id,
      projectId: typeof projectId === 'string' ? projectId : null,
      createdMs: Number(createdMs) || 0,
      scorer: read,
    };
  }
}

/** A text is what is wrong with an entry. */
function readRule(entry: unknown): StoredRule | string {
  const { rule, backfill } = isObject(entry) ? entry : {};
  if (!isObject(rule) || typeof rule['id'] !== 'string') return `${FILE} has a rule without an id`;
  const { id, projectId, createdMs, config } = rule;
  const content = parseRule({ ...rule, config: { online: config } });
  if ('problems' in content) return `rule ${id} in ${FILE} cannot be used: ${content.problems.join('; ')}`;
  return {
    rule: {
      ...content,
      id,
      projectId: typeof projectId === 'string' ? projectId : null,
      createdMs: Number(createdMs) || 0,
    },
    backfill: isBackfill(backfill) ? backfill : undefined,
  };
}
