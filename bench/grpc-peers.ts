// The proxies of the gRPC benchmark, each in front of one replica: weir, nginx, HAProxy and node:http2.
// Invariant: each proxy but weir has the minimal configuration for this work and keeps no log. All peers of a load speak
// HTTP/2 to clients, and the same protocol to the replica.
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HAPROXY_DEFAULTS } from './haproxy-defaults.ts';
import { file, isThere, launcher, pinned, PROXY_CORE, WITHOUT_FOLDER } from './peers.ts';

export interface GrpcPeer {
  readonly name: string;
  readonly port: number;
  start(): ChildProcess;
}

export interface PeerOptions {
  readonly replicaPort: number;
  /** Protocol of the replica: gRPC over HTTP/2, or HTTP/1.1. */
  readonly replica: 'grpc' | 'http';
  /** Clients use TLS. */
  readonly isTls: boolean;
  /** With a weir as shipped: its log store and its access log are on. */
  readonly hasShipped: boolean;
  /** Folders of other built weirs. */
  readonly beside: readonly string[];
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as HAProxy wants them. */
  readonly both: string;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const withoutOutput: StdioOptions = ['ignore', 'ignore', 'inherit'];
/** The folder that is deleted at the end. */
const FOLDER = dirname(file('grpc.txt', ''));

function nginx(
  port: number,
  { replicaPort, replica }: PeerOptions,
  tls: CertificateFiles | undefined,
): string {
  const pass =
    replica === 'grpc'
      ? `grpc_pass grpc://replica; grpc_set_header X-Request-Id $request_id; grpc_buffer_size 16k;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`
      : `proxy_pass http://replica; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering off;`;
  return `worker_processes 1; daemon off; master_process off; error_log /dev/null;
pid ${FOLDER}/nginx-${port}.pid;
events { worker_connections 16000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 200m;
  client_body_temp_path ${FOLDER}; proxy_temp_path ${FOLDER};
  upstream replica { server 127.0.0.1:${replicaPort}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} http2 backlog=4096${tls === undefined ? '' : ' ssl'};
    ${tls === undefined ? '' : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`}
    location / {
      ${pass}
    }
  }
}
`;
}

const haproxy = (
  port: number,
  { replicaPort, replica }: PeerOptions,
  tls: CertificateFiles | undefined,
): string => `${HAPROXY_DEFAULTS}frontend bench
  bind 127.0.0.1:${port} ${tls === undefined ? 'proto h2' : `ssl crt ${tls.both} alpn h2`}
  default_backend replica
backend replica
  http-reuse always
  server r 127.0.0.1:${replicaPort}${replica === 'grpc' ? ' proto h2' : ''}
`;

function weir(
  name: string,
  root: string,
  port: number,
  options: PeerOptions,
  tls: CertificateFiles | undefined,
  isShipped = false,
): GrpcPeer {
  const start = (): ChildProcess => {
    const stdout = openSync(join(FOLDER, `${port}.log`), 'w');
    const child = pinned(
      PROXY_CORE,
      root,
      [
        'serve',
        `--replica=${options.replica}://127.0.0.1:${options.replicaPort}`,
        `--listen=127.0.0.1:${port}`,
        '--admin=127.0.0.1:0',
        ...(tls === undefined ? [] : [`--ingress-tls-cert=${tls.cert}`, `--ingress-tls-key=${tls.key}`]),
        ...(isShipped
          ? [`--data-dir=${mkdtempSync(join(FOLDER, 'data-'))}`]
          : ['--log-access=false', ...WITHOUT_FOLDER]),
      ],
      ['ignore', stdout, 'inherit'],
    );
    closeSync(stdout);
    return child;
  };
  return { name, port, start };
}

/** The peers of a load. `files`: the certificate for TLS. */
export function grpcPeers(options: PeerOptions, files: CertificateFiles | undefined): GrpcPeer[] {
  const tls = options.isTls ? files : undefined;
  const peers = [
    weir('weir', launcher, 18_931, options, tls),
    ...options.beside.map((root, i) =>
      weir(`weir of ${root}`, join(root, 'bin/weir'), 18_941 + i, options, tls),
    ),
  ];
  if (options.hasShipped) peers.push(weir('weir, as shipped', launcher, 18_935, options, tls, true));
  if (isThere('haproxy'))
    peers.push({
      name: 'HAProxy',
      port: 18_933,
      start: () =>
        pinned(
          PROXY_CORE,
          'haproxy',
          ['-db', '-f', file('grpc-haproxy.cfg', haproxy(18_933, options, tls))],
          withoutOutput,
        ),
    });
  if (isThere('nginx'))
    peers.push({
      name: 'nginx',
      port: 18_932,
      start: () =>
        pinned(
          PROXY_CORE,
          'nginx',
          ['-c', file('grpc-nginx.conf', nginx(18_932, options, tls))],
          withoutOutput,
        ),
    });
  if (options.replica === 'grpc' && !options.isTls)
    peers.push({
      name: 'node:http2 piped',
      port: 18_934,
      start: () =>
        pinned(
          PROXY_CORE,
          process.execPath,
          [path('grpc-pass.ts'), '18934', String(options.replicaPort)],
          withoutOutput,
        ),
    });
  return peers;
}
