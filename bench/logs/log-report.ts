// The figures of bench/logs.ts with their goals, in the order in which they were measured.
// Invariant: a figure is never compared with its goal here. Goals stand beside figures, for the reader.
import { cpus } from 'node:os';
import { median } from '../stats.ts';
import type { LogFigure } from '../table.ts';

export class LogReport {
  readonly figures: LogFigure[] = [];
  /** Values of figures that were measured in several rounds, by name. */
  readonly rounds: Record<string, readonly number[]> = {};

  /** Adds a figure. `unit`: text behind the value, with its space. */
  add(name: string, title: string, value: number | undefined, unit: string, goal?: LogFigure['goal']): void {
    if (value === undefined || !Number.isFinite(value)) throw new Error(`${name} has no value`);
    this.figures.push({ name, title, value, unit, ...(goal && { goal }) });
  }

  /** Adds the median of queries, the first one before them, and all times. */
  addQueries(
    name: string,
    title: string,
    { first, times }: { readonly first: number; readonly times: readonly number[] },
    goal?: LogFigure['goal'],
  ): void {
    this.rounds[`${name}_ms`] = times;
    this.add(`${name}_ms`, title, median(times), ' ms', goal);
    this.add(`${name}_first_ms`, `${title}: the first such search after the start`, first, ' ms');
  }

  /** The report as JSON. `conditions`: sizes and rates of the run. */
  toJson(conditions: Record<string, unknown>): string {
    const machine = { processor: cpus()[0]!.model, cores: cpus().length, node: process.version };
    const { figures, rounds } = this;
    const at = new Date().toISOString();
    return `${JSON.stringify({ at, machine, conditions, figures, rounds }, null, 1)}\n`;
  }
}

export const atMost = (value: number) => ({ is: 'at most', value }) as const;
export const atLeast = (value: number) => ({ is: 'at least', value }) as const;
