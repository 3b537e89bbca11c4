// A Docker daemon for tests on a unix socket, which serves container statistics. It is a plain socket server, since the
// client under test sends `GET http:/containers/…`, which Node's HTTP server rejects.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { folder } from './folder.ts';

/** Statistics of a container. */
export interface FakeContainer {
  cpuNanos: number;
  throttledNanos: number;
  memoryBytes: number;
  inactiveFileBytes: number;
}

export class FakeDocker {
  readonly socketPath = `${folder()}/docker.sock`;
  readonly containers = new Map<string, FakeContainer>();
  /** True: requests get no response. */
  isHanging = false;
  requests = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', (chunk) => this.#respond(socket, chunk.toString()));
  });

  async start(): Promise<this> {
    this.#server.listen(this.socketPath);
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #respond(socket: Socket, request: string): void {
    this.requests++;
    if (this.isHanging) return;
    const [, name, what] =
      /^GET http:\/containers\/([^/]+)\/(stats|json)\?stream=0 HTTP\/1\.0/.exec(request) ?? [];
    const container = this.containers.get(name ?? '');
    if (!container) return this.#send(socket, '404 Not Found', { message: `No such container: ${name}` });
    const id = Buffer.from(name!.padEnd(32, '.')).toString('hex');
    if (what === 'json') return this.#send(socket, '200 OK', { Id: id, RestartCount: 0 });
    // The response of Engine API 1.47 on a machine with control groups of version 2.
    this.#send(socket, '200 OK', {
      id,
      name: `/${name}`,
      read: '2026-11-20T12:00:00.000000000Z',
      pids_stats: { current: 12 },
      cpu_stats: {
        cpu_usage: { total_usage: container.cpuNanos, usage_in_kernelmode: 1, usage_in_usermode: 1 },
        system_cpu_usage: 9e15,
        online_cpus: 8,
        throttling_data: { periods: 10, throttled_periods: 1, throttled_time: container.throttledNanos },
      },
      precpu_stats: { cpu_usage: { total_usage: 0 }, throttling_data: {} },
      memory_stats: {
        usage: container.memoryBytes,
        stats: { anon: 5, file: 6, inactive_file: container.inactiveFileBytes, active_file: 1 },
        limit: 64e9,
      },
      networks: { eth0: { rx_bytes: 1, tx_bytes: 1 } },
    });
  }

  #send(socket: Socket, status: string, body: unknown): void {
    socket.end(`HTTP/1.0 ${status}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(body)}`);
  }
}
