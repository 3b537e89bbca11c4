// A real Prometheus for tests, which scrapes one weir five times a second.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Prometheus {
  /** The value of the first series that a query gives, if there is one. */
  ask(query: string): Promise<number | undefined>;
  stop(): void;
}

/** Starts it and waits until it answers. */
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
  const port = await freePort();
  const api = `http://127.0.0.1:${port}/api/v1`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  await until(
    'Prometheus answers',
    () =>
      fetch(`${api}/status/buildinfo`).then(
        (res) => res.ok,
        () => false,
      ),
    20_000,
  );
  return {
    async ask(query) {
      const res = await fetch(`${api}/query?query=${encodeURIComponent(query)}`);
      const { data } = (await res.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0] === undefined ? undefined : Number(data.result[0].value[1]);
    },
    stop: () => void child.kill('SIGKILL'),
  };
}
