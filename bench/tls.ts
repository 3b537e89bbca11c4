// npm run bench:tls: CPU time of a small request over TLS and of a TLS handshake, weir beside HAProxy. Prints the table.
// Invariant: both have the same certificate and the same versions and ciphers of OpenSSL's defaults, and the peers are
// measured one after the other in each round.
// Options: --quick (small numbers).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { cpuMicros } from './cpu.ts';
import {
  bothOff,
  file,
  haproxyPeer,
  isThere,
  listening,
  load,
  pinned,
  PROXY_CORE,
  REPLICA_PORT,
  startReplica,
  weir,
} from './peers.ts';
import { median, paired } from './stats.ts';
import { HAPROXY_DEFAULTS } from './haproxy-defaults.ts';

if (!isThere('haproxy') || !isThere('openssl')) throw new Error('needs haproxy and openssl');
const isQuick = process.argv.includes('--quick');
const sizes = { rounds: isQuick ? 1 : 7, seconds: isQuick ? 1 : 3, connections: 32 };

const [cert, key] = [file('tls-cert.pem', ''), file('tls-key.pem', '')];
execFileSync(
  'openssl',
  `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost -keyout ${key} -out ${cert}`.split(
    ' ',
  ),
  { stdio: 'pipe' },
);
const both = file('tls-both.pem', readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));

const ours = weir(
  'weir, both off',
  18_931,
  { store: 'off', accessLog: 'off' },
  `--ingress-tls-cert=${cert}`,
  `--ingress-tls-key=${key}`,
);
const haproxy = {
  name: 'HAProxy',
  port: 18_932,
  start: () =>
    pinned(
      PROXY_CORE,
      'haproxy',
      [
        '-db',
        '-f',
        file(
          'haproxy-tls.cfg',
          `${HAPROXY_DEFAULTS}frontend bench
  bind 127.0.0.1:18932 ssl crt ${both} alpn http/1.1
  default_backend replica
backend replica
  http-reuse always
  server r 127.0.0.1:${REPLICA_PORT}
`,
        ),
      ],
      ['ignore', 'ignore', 'inherit'],
    ),
};

const peers = [
  { ...ours, plainPeer: bothOff },
  { ...haproxy, plainPeer: haproxyPeer },
];
const figures: Record<string, Record<string, number[]>> = {};
startReplica();
await listening(REPLICA_PORT);
const jobs = ['clear text requests', 'requests', 'handshakes'] as const;
const runs = peers.map((peer) => {
  const { name, port, plainPeer } = peer;
  const [secured, plain] = [peer.start(), plainPeer.start()];
  return {
    name,
    /** CPU time per request. */
    cost: async (job: (typeof jobs)[number], seconds: number): Promise<number> => {
      const isPlain = job === 'clear text requests';
      if (isPlain) delete process.env['BENCH_TLS'];
      else process.env['BENCH_TLS'] = '1';
      const { pid } = isPlain ? plain : secured;
      const before = cpuMicros(pid!);
      const { count } = await load<{ count: number }>(
        isPlain ? 'requests' : job,
        isPlain ? plainPeer.port : port,
        sizes.connections,
        seconds,
      );
      return (cpuMicros(pid!) - before) / count;
    },
    end: async (): Promise<void> => {
      for (const child of [secured, plain]) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
});
for (const { port, plainPeer } of peers) {
  await listening(port);
  await listening(plainPeer.port);
}
for (const { cost } of runs) for (const job of jobs) await cost(job, isQuick ? 0.5 : 3);

for (let round = 0; round < sizes.rounds; round++)
  for (const job of jobs)
    for (const { name, cost } of runs)
      ((figures[job] ??= {})[name] ??= []).push(await cost(job, sizes.seconds));

for (const [job, values] of Object.entries(figures)) {
  const [own = [], theirs = []] = peers.map(({ name }) => values[name]!);
  const ratios = own.map((value, i) => value / theirs[i]!).toSorted((a, b) => a - b);
  const shown = [paired(own, theirs)!, ratios[0]!, ratios.at(-1)!].map((ratio) => ratio.toFixed(2));
  console.log(
    `${job}: weir ${median(own)!.toFixed(1)} us, HAProxy ${median(theirs)!.toFixed(1)} us; ratio ${shown[0]} [${shown[1]} ${shown[2]}]`,
  );
}
for (const { end } of runs) await end();
process.exit(0);
