// Probe of a gRPC replica: grpc.health.v1.Health/Check over a connection of its own.
// Invariant: a probe ends within its time limit.
// A server without the health service returns UNIMPLEMENTED, which counts as success, since nothing more can be known.
// A server that does not know the requested service name fails the probe.
import type { Socket } from 'node:net';
import {
  HEALTH_PATH,
  healthStatusName,
  healthRequestMessage,
  readHealthStatus,
  SERVING,
} from '../../protocol/grpc/health-message.ts';
import { readStatus, statusNames } from '../../protocol/grpc/status.ts';
import { Http2Connection, type ConnectionListener } from '../../protocol/http2/connection.ts';
import { errorCodeName } from '../../protocol/http2/error-code.ts';
import type { HeaderBlock } from '../../protocol/http2/hpack/header-block.ts';
import type { Http2Stream } from '../../protocol/http2/stream.ts';
import type { StreamListener } from '../../protocol/http2/stream-listener.ts';
import { OWN_CONNECTION } from './own-connection.ts';
import { probeProblem, type Probe, type ProbeResult, type ProbeTarget } from './probe.ts';
import { connectHttp2 } from './replica-h2.ts';

/** A longer response is invalid: its messages have a few bytes. */
const MAX_RESPONSE_BYTES = 1024;

/** Succeeds if the status of `service` is SERVING. An empty `service` means the whole server. */
export const grpcProbe =
  (service: string): Probe =>
  (target, timeoutMs) =>
    new Promise<ProbeResult>((resolve) => new HealthCheck(service, target, timeoutMs, resolve));

class HealthCheck implements ConnectionListener, StreamListener {
  readonly #service: string;
  readonly #authority: string;
  readonly #scheme: string;
  readonly #resolve: (result: ProbeResult) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #socket: Socket;
  #status: string | undefined;
  #response = Buffer.alloc(0);

  constructor(
    service: string,
    target: ProbeTarget,
    timeoutMs: number,
    resolve: (result: ProbeResult) => void,
  ) {
    this.#service = service;
    this.#authority = target.url.authority;
    this.#scheme = target.tls === undefined ? 'http' : 'https';
    this.#resolve = resolve;
    this.#timer = setTimeout(
      () => this.#done(`no response to the health check within ${timeoutMs} ms`, true),
      timeoutMs,
    );
    this.#socket = connectHttp2(target, (socket) =>
      this.#ask(new Http2Connection(socket, OWN_CONNECTION, this)),
    );
    this.#socket.on('error', (error) => this.#done(probeProblem(error)));
    this.#socket.on('close', () => this.#done('connection closed before the health check ended'));
  }

  #ask(connection: Http2Connection): void {
    const stream = connection.openStream(this);
    const head = {
      ':method': 'POST',
      ':scheme': this.#scheme,
      ':path': HEALTH_PATH,
      ':authority': this.#authority,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'weir-probe',
    };
    const writer = stream.head();
    for (const [name, value] of Object.entries(head)) writer.add(name, value);
    writer.send(false);
    const message = healthRequestMessage(this.#service);
    stream.write(message, 0, message.length, true);
  }

  onHeaders(_stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    this.#status = block.value('grpc-status') ?? this.#status;
    if (isEnd) this.#onEnd();
  }

  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    stream.consumed(to - from);
    if (this.#response.length + to - from <= MAX_RESPONSE_BYTES)
      this.#response = Buffer.concat([this.#response, bytes.subarray(from, to)]);
    if (isEnd) this.#onEnd();
  }

  onReset({ problem }: Http2Stream, code: number, isLost: boolean): void {
    const how = isLost
      ? 'connection closed before the health check ended'
      : problem === ''
        ? `the health check was reset (${errorCodeName(code)})`
        : `malformed response to the health check: ${problem}`;
    this.#done(how);
  }

  onSent(): void {
    // The message is only a few bytes.
  }

  onStream(): void {
    // Only clients open streams.
  }

  onReady(): void {
    // The health check is on its way already.
  }

  onLeaving(): void {
    // The health check goes on.
  }

  onGone(): void {
    this.#done('connection closed before the health check ended');
  }

  #onEnd(): void {
    this.#done(problemOf(this.#service, this.#status, this.#response), false, this.#status !== undefined);
  }

  #done(problem: string, isSilent = false, hasResponse = false): void {
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#resolve({ problem, isSilent, got: 'health check passed', hasResponse });
  }
}

/** Why a health check failed; empty if it succeeded. */
function problemOf(service: string, status: string | undefined, response: Buffer): string {
  const check = service === '' ? 'health check' : `health check of ${service}`;
  if (status === undefined) return `${check} ended without a status`;
  const name = statusNames[readStatus(status)]!;
  if (name === 'UNIMPLEMENTED') return '';
  if (name !== 'OK') return `${check} failed with ${name}`;
  const health = readHealthStatus(response);
  return health === SERVING ? '' : `${check} returned ${healthStatusName(health)}`;
}
