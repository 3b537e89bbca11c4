// The rules and stored scorers in memory and on disk. Changes run one after the other.
// Invariant: what is in memory is on disk, and a change that is refused changes neither. A rule names only scorers that
// are stored.
import { randomUUID } from 'node:crypto';
import type { Backfill } from './backfill.ts';
import type { ScoringOptions } from './options.ts';
import type { RuleContent, ScoringRule } from './rule.ts';
import type { StoredScorer } from './scorer-definition.ts';
import type { ScoringContent, ScoringFile, StoredRule } from './scoring-file.ts';
import { invalidScoring, noRule, noScorer, notStored, type ScoringRefusal } from './scoring-refusal.ts';
import type { StoredFunction } from './stored-function.ts';

type Limits = Pick<ScoringOptions, 'max_rules' | 'max_scorers'>;

/** Ids of the stored scorers that a rule names. */
const functionIds = ({ config }: Pick<ScoringRule, 'config'>): string[] =>
  config.scorers.flatMap((scorer) => (scorer.type === 'function' ? [scorer.id] : []));

export class ScoringTable {
  readonly #limits: Limits;
  readonly #file: ScoringFile;
  /** The oldest first. */
  #content: ScoringContent = { rules: [], functions: [] };
  /** The last change, which the next one waits for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(limits: Limits, file: ScoringFile) {
    this.#limits = limits;
    this.#file = file;
  }

  async load(problem: (text: string) => void): Promise<void> {
    this.#content = await this.#file.load(problem);
  }

  get rules(): readonly StoredRule[] {
    return this.#content.rules;
  }

  get functions(): readonly StoredFunction[] {
    return this.#content.functions;
  }

  rule(id: string): ScoringRule | undefined {
    return this.rules.find(({ rule }) => rule.id === id)?.rule;
  }

  function(id: string): StoredFunction | undefined {
    return this.functions.find((one) => one.id === id);
  }

  /** The stored scorers that a rule names. */
  functionsOf(rule: Pick<ScoringRule, 'config'>): StoredFunction[] {
    return functionIds(rule).flatMap((id) => this.function(id) ?? []);
  }

  /** What is wrong with the scorers that a rule names; `undefined`: they are stored. */
  scorerProblem(rule: Pick<ScoringRule, 'config'>): ScoringRefusal | undefined {
    const missing = functionIds(rule).find((id) => this.function(id) === undefined);
    return missing === undefined
      ? undefined
      : invalidScoring(`config.online.scorers: there is no stored scorer ${missing}`);
  }

  /** Resolves after the changes that were begun. */
  settled(): Promise<unknown> {
    return this.#last;
  }

  /**
   * Adds a rule. The rule of this name in the project is returned as it is, or gets the content if `replaces`. `begin` is
   * called before a new rule is stored.
   */
  putRule(
    projectId: string | null,
    content: RuleContent,
    replaces: boolean,
    begin: (id: string) => Promise<void>,
  ): Promise<ScoringRule | ScoringRefusal> {
    return this.#change(async () => {
      const known = this.#named(projectId, content.name);
      if (known && !replaces) return known;
      const problem = this.scorerProblem(content);
      if (problem) return problem;
      if (known) return this.#saveRule({ ...known, ...content });
      const { max_rules: most } = this.#limits;
      if (this.rules.length >= most)
        return invalidScoring(`there are ${most} rules, which is the maximum (scoring.max_rules)`);
      const rule = { ...content, id: randomUUID(), projectId, createdMs: Date.now() };
      await begin(rule.id);
      await this.#save({ rules: [...this.rules, { rule, backfill: undefined }] });
      return rule;
    });
  }

  /** Changes a rule. */
  changeRule(id: string, content: RuleContent): Promise<ScoringRule | ScoringRefusal> {
    return this.#change(async () => {
      const rule = this.rule(id);
      if (rule === undefined) return noRule(id);
      const other = this.#named(rule.projectId, content.name);
      if (other !== undefined && other.id !== id)
        return invalidScoring('name: it is the name of another rule');
      return this.scorerProblem(content) ?? this.#saveRule({ ...rule, ...content });
    });
  }

  removeRule(id: string): Promise<ScoringRule | ScoringRefusal> {
    return this.#change(async () => {
      const rule = this.rule(id);
      if (rule === undefined) return noRule(id);
      await this.#save({ rules: this.rules.filter((one) => one.rule.id !== id) });
      return rule;
    });
  }

  /** Stores what has become of the backfill of a rule. One that was ended meanwhile stays as it is. */
  saveBackfill(id: string, backfill: Backfill): Promise<Backfill | ScoringRefusal> {
    return this.#change(async () => {
      const stored = this.rules.find(({ rule }) => rule.id === id);
      if (stored === undefined) return noRule(id);
      const known = stored.backfill;
      if (known?.id === backfill.id && known.state !== 'running') return known;
      await this.#save({
        rules: this.rules.map((one) => (one.rule.id === id ? { rule: one.rule, backfill } : one)),
      });
      return backfill;
    });
  }

  /** Adds a scorer. The one with this slug in the project is returned as it is, or replaced if `replaces`. */
  putFunction(
    projectId: string | null,
    scorer: StoredScorer,
    replaces: boolean,
  ): Promise<StoredFunction | ScoringRefusal> {
    return this.#change(async () => {
      const known = this.functions.find(
        (one) => one.projectId === projectId && one.scorer.slug === scorer.slug,
      );
      if (known && !replaces) return known;
      if (known) return this.#saveFunction({ ...known, scorer });
      const { max_scorers: most } = this.#limits;
      if (this.functions.length >= most)
        return invalidScoring(`${most} scorers are stored, which is the maximum (scoring.max_scorers)`);
      const added = { id: randomUUID(), projectId, createdMs: Date.now(), scorer };
      await this.#save({ functions: [...this.functions, added] });
      return added;
    });
  }

  changeFunction(id: string, scorer: StoredScorer): Promise<StoredFunction | ScoringRefusal> {
    return this.#change(async () => {
      const known = this.function(id);
      if (known === undefined) return noScorer(id);
      const isTaken = this.functions.some(
        (one) => one.id !== id && one.projectId === known.projectId && one.scorer.slug === scorer.slug,
      );
      return isTaken
        ? invalidScoring('slug: it is the slug of another scorer')
        : this.#saveFunction({ ...known, scorer });
    });
  }

  /** Removes a scorer that no rule names. */
  removeFunction(id: string): Promise<StoredFunction | ScoringRefusal> {
    return this.#change(async () => {
      const known = this.function(id);
      if (known === undefined) return noScorer(id);
      const user = this.rules.find(({ rule }) => functionIds(rule).includes(id));
      if (user) return invalidScoring(`rule ${JSON.stringify(user.rule.name)} uses this scorer`);
      await this.#save({ functions: this.functions.filter((one) => one.id !== id) });
      return known;
    });
  }

  #named(projectId: string | null, name: string): ScoringRule | undefined {
    return this.rules.find(({ rule }) => rule.projectId === projectId && rule.name === name)?.rule;
  }

  async #saveRule(rule: ScoringRule): Promise<ScoringRule> {
    await this.#save({
      rules: this.rules.map((one) => (one.rule.id === rule.id ? { ...one, rule } : one)),
    });
    return rule;
  }

  async #saveFunction(changed: StoredFunction): Promise<StoredFunction> {
    await this.#save({ functions: this.functions.map((one) => (one.id === changed.id ? changed : one)) });
    return changed;
  }

  async #save(change: Partial<ScoringContent>): Promise<void> {
    const content = { ...this.#content, ...change };
    await this.#file.save(content);
    this.#content = content;
  }

  #change<T>(work: () => Promise<T | ScoringRefusal>): Promise<T | ScoringRefusal> {
    const done = this.#last.then(work).catch((error: unknown): ScoringRefusal => {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return notStored(error);
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}
