// Holds listening sockets and starts programs with them, as systemd does with socket units. Node cannot hold a listening
// socket without accepting connections, so that a small program in Python does it.
// Invariant: the program ends with `close`, and the programs that it has started with `endRestarts` or by themselves.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from './until.ts';
import { BIN, ROOT, type Line } from './weir.ts';

const PROGRAM = `
import json, os, socket, sys
sockets = []
for address in json.loads(sys.argv[1]):
    if address is None:
        s = socket.socket(); s.bind(('127.0.0.1', 0))
    else:
        s = socket.socket(socket.AF_UNIX); s.bind(address)
    s.listen(128)
    sockets.append(s)
print(json.dumps({'event': 'held', 'ports': [s.getsockname()[1] if s.family == socket.AF_INET else 0 for s in sockets]}), flush=True)
for line in sys.stdin:
    start = json.loads(line)
    pid = os.fork()
    if pid == 0:
        copies = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(copies): os.dup2(fd, 3 + i, inheritable=True)
        for fd in copies: os.close(fd)
        env = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=':'.join(start['names']), **start['env'])
        os.execve(start['args'][0], start['args'], env)
    print(json.dumps({'event': 'spawned', 'pid': pid}), flush=True)
`;

export class SocketHolder {
  readonly lines: Line[] = [];
  readonly #process: ChildProcess;
  /** Ports of the TCP sockets. */
  ports: readonly number[] = [];
  stderr = '';

  private constructor(addresses: readonly (string | null)[]) {
    this.#process = spawn('python3', ['-c', PROGRAM, JSON.stringify(addresses)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: ROOT,
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_'))),
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Line);
    });
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  /** Opens a socket for each address: a path, or `null` for any port of 127.0.0.1. */
  static async open(addresses: readonly (string | null)[]): Promise<SocketHolder> {
    const holder = new SocketHolder(addresses);
    const held = await holder.line('the sockets are open', ({ event }) => event === 'held');
    holder.ports = held['ports'] as number[];
    return holder;
  }

  /** Starts weir with the sockets, by these names. Returns its process id. */
  async start(
    names: readonly string[],
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<number> {
    const before = this.lines.length;
    this.#process.stdin!.write(`${JSON.stringify({ names, env, args: [BIN, ...args] })}\n`);
    const isSpawned = (line: Line) => line.event === 'spawned' && this.lines.indexOf(line) >= before;
    return (await this.line('weir is started', isSpawned))['pid'] as number;
  }

  /** Waits for a line of the programs. */
  line(what: string, matches: (line: Line) => boolean): Promise<Line> {
    return until(
      what,
      () => {
        if (this.#process.exitCode !== null) throw new Error(this.stderr);
        return this.lines.find(matches);
      },
      60_000,
    );
  }

  close(): void {
    this.#process.kill('SIGKILL');
  }
}
