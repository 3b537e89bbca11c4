// A real Prometheus for tests that scrapes one weir five times per second.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server } from './server.ts';

export interface Prometheus {
  /** The value of the first series of a query's result. */
  query(query: string): Promise<number | undefined>;
  stop(): Promise<void>;
}

/** Starts it and waits until it is ready. */
export async function startPrometheus(adminPort: number): Promise<Prometheus> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-prometheus-'));
  writeFileSync(
    join(dir, 'prometheus.yml'),
    `global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - job_name: weir
    static_configs: [{ targets: ["127.0.0.1:${adminPort}"] }]
`,
  );
  const apiOf = (port: number) => `http://127.0.0.1:${port}/api/v1`;
  const server = await Server.start({
    command: 'prometheus',
    args: (port) => [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    isUp: (port) =>
      fetch(`${apiOf(port)}/status/buildinfo`).then(
        (res) => res.ok,
        () => false,
      ),
  });
  const api = apiOf(server.port);
  return {
    async query(query) {
      const res = await fetch(`${api}/query?query=${encodeURIComponent(query)}`);
      const { data } = (await res.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0] === undefined ? undefined : Number(data.result[0].value[1]);
    },
    stop: () => server.kill(),
  };
}
