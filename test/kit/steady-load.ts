// Clients that send requests one after the other until they are stopped, and check every response.
// Invariant: a request whose response is not right is in `problems`.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, type CallOptions } from './client.ts';

export class SteadyLoad {
  /** Ids of the requests that were answered, as responses name them. */
  readonly ids: string[] = [];
  readonly problems: string[] = [];
  /** Responses with `Connection: close`, on connections that the client would have kept. */
  closed = 0;
  readonly #loops: Promise<void>[] = [];
  readonly #agents: Agent[] = [];
  #isStopped = false;
  #n = 0;

  /** Runs `step` again and again, with a pause. What it throws is a problem. */
  repeat(name: string, pauseMs: number, step: (n: number) => Promise<void>): void {
    const run = async () => {
      while (!this.#isStopped) {
        const n = this.#n++;
        await step(n).catch((error: unknown) => this.problems.push(`${name} ${n}: ${String(error)}`));
        await sleep(pauseMs);
      }
    };
    this.#loops.push(run());
  }

  /** Sends GET /echo/N on one kept connection, or with a new connection each time. The replica answers with the path. */
  get(url: string, name: string, isKept: boolean, pauseMs: number, headers?: CallOptions['headers']): void {
    const agent = isKept ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    if (agent) this.#agents.push(agent);
    this.repeat(name, pauseMs, async (n) => {
      const path = `/echo/${name}/${n}`;
      const response = await call(url, path, { agent, headers: headers ?? {} });
      if (response.status !== 200 || response.text !== path)
        throw new Error(`${response.status} ${response.text}`);
      if (isKept && response.headers.connection === 'close') this.closed++;
      this.ids.push(response.headers['x-baseten-request-id'] as string);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
    for (const agent of this.#agents) agent.destroy();
  }
}
