// A real Redis for tests, which has every write on disk before it answers; it can be killed and started again.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, type Program } from './server.ts';

/** The answer of the server on a port to one command; undefined: no answer. */
function ask(port: number, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.once('error', () => resolve(undefined));
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
  });
}

/** redis-server with its files in `folder`. */
const redis = (folder: string, more: readonly string[]): Program => ({
  command: 'redis-server',
  args: (port) =>
    `--port ${port} --bind 127.0.0.1 --appendonly yes --appendfsync always`
      .split(' ')
      .concat('--save', '', '--dir', folder, more),
  async isUp(port, pid) {
    // A server with a password answers with an error, which shows that it runs; -LOADING means not ready.
    const answer = (await ask(port, 'INFO server')) ?? '';
    return answer.startsWith('-NOAUTH') || answer.includes(`process_id:${pid}\r\n`);
  },
});

export class RedisServer {
  readonly #program: Program;
  readonly #folder: string;
  #server: Server;

  private constructor(program: Program, folder: string, server: Server) {
    this.#program = program;
    this.#folder = folder;
    this.#server = server;
  }

  /** Starts one on a free port, with further arguments of redis-server. */
  static async start(...args: string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-redis-'));
    const program = redis(folder, args);
    return new RedisServer(program, folder, await Server.start(program));
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again after `kill`, on its port and with its files. */
  async start(): Promise<void> {
    this.#server = await Server.startOn(this.port, this.#program);
  }

  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** It still has its connections, and says nothing. */
  freeze(): void {
    this.#server.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#server.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

/** A way to a server that can be cut: for the one at its end, that is the end of the one who uses it. */
export class Wire {
  readonly #server = createServer((near) => this.#join(near));
  readonly #sockets = new Set<Socket>();
  readonly #to: number;

  constructor(port: number) {
    this.#to = port;
  }

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** For good. */
  cut(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    const far = connect(this.#to, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  }
}
