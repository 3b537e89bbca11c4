// The thread in which queries run, as its users in the main thread see it.
// Invariant: it runs as long as it has users, and for some time after the last one.
import { threadFile } from '../../core/worker-rpc.ts';
import type { LogReader, Logs } from '../logs/logs.ts';
import type { AskedQuery, OpenedQuery } from './btql-thread.ts';
import type { BtqlProblem } from './parse-btql.ts';
import type { ShownRow } from './request-row.ts';
import type { QueriedProject } from './stored-spans.ts';

const OPERATIONS = threadFile('btql-thread', import.meta.url).href;
/** Time after the last query for which the thread is kept, in milliseconds. */
const IDLE_MS = 60_000;

/** A project and how to get its functions, which few queries read. */
interface FoundProject extends Pick<QueriedProject, 'id' | 'orgId'> {
  readonly functions: () => readonly ShownRow[];
}

/** Finds a project by its name or id. */
export type FindProject = (name: string) => FoundProject | undefined;

/** A query that the thread has parsed. */
interface PreparedQuery {
  readonly id: string;
  readonly projects: readonly QueriedProject[];
  /** It asks for costs. */
  readonly needsPrices: boolean;
}

export class QueryThread {
  readonly #logs: Pick<Logs, 'openReader'>;
  #reader: LogReader | undefined;
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(logs: Pick<Logs, 'openReader'>) {
    this.#logs = logs;
  }

  /** Adds a user, who calls `release` once. */
  acquire(): LogReader {
    this.#users++;
    clearTimeout(this.#idle);
    this.#reader ??= this.#logs.openReader(OPERATIONS, 'weir btql');
    return this.#reader;
  }

  release(): void {
    if (--this.#users === 0) this.#idle = setTimeout(() => void this.stop(), IDLE_MS).unref();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}

/** Parses and checks a query, and finds its projects. Nothing stays open if it is refused. */
export async function prepareQuery(
  reader: LogReader,
  asked: AskedQuery,
  find: FindProject,
): Promise<PreparedQuery | BtqlProblem | { readonly unknownProject: string }> {
  const opened = (await reader.run('open', asked)) as OpenedQuery | BtqlProblem;
  if ('problem' in opened) return opened;
  const projects = new Map<string, QueriedProject>();
  for (const name of opened.projects) {
    const project = find(name);
    if (project === undefined) {
      await reader.run('close', opened.id);
      return { unknownProject: name };
    }
    const { id: projectId, orgId } = project;
    const functions = opened.isOfFunctions ? { functions: project.functions() } : {};
    projects.set(projectId, { id: projectId, orgId, ...functions });
  }
  return { id: opened.id, projects: [...projects.values()], needsPrices: opened.needsPrices };
}
