// gRPC server for KEDA: external scaler protocol (proto/externalscaler.proto) and health checks (proto/health.proto).
// Invariant: KEDA gets the values that /v1/scale shows at that moment, and a closed stream leaves nothing behind.
// Only this file imports gRPC, and it is loaded only if the server is enabled.
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Address } from '../../core/address.ts';
import type { Logger } from '../../core/logger.ts';
import { packageFile } from '../../core/package-file.ts';
import type { ServerCertificate } from '../../core/server-certificate.ts';
import { answerRefused } from '../../protocol/grpc/refused-http2.ts';
import { awaitFirstBytes } from '../../protocol/http/http2-preface.ts';
import { boundAddress, listen, type ListenOptions } from '../../protocol/http/listen.ts';
import { ServerFront } from '../../protocol/http/server-front.ts';
import { isTlsHandshake } from '../../protocol/http/tls-acceptor.ts';
import { readTrigger, type Trigger } from './scaled-object.ts';
import type { ScaleReading } from './scale-reading.ts';

/** Requests are small. */
const LIMITS = { 'grpc.max_receive_message_length': 64 * 1024, 'grpc.max_concurrent_streams': 256 };
/**
 * Interval of pings. They keep an idle stream open in proxies between, and close the streams of a KEDA whose machine is
 * gone.
 */
const KEEP_ALIVE_MS = 30_000;
/** Time in which a client in clear text must send its first bytes. */
const FIRST_BYTES_MS = 10_000;

const proto = (name: string): string => fileURLToPath(packageFile(`proto/${name}`));

interface ScaledObjectRef {
  readonly scalerMetadata?: Readonly<Record<string, string>>;
}
interface MetricsRequest {
  readonly scaledObjectRef?: ScaledObjectRef | null;
  readonly metricName: string;
}
type Unary<Q> = (call: ServerUnaryCall<Q, object>, respond: sendUnaryData<object>) => void;
type Stream = ServerWritableStream<ScaledObjectRef, object>;

/** Source of scaling decisions. */
export interface KedaDeps {
  readonly readings: () => readonly ScaleReading[];
  /** Calls `listener` after each decision. Returns a function that ends that. */
  readonly changed: (listener: () => void) => () => void;
}

export class KedaServer {
  readonly #options: ListenOptions;
  readonly #deps: KedaDeps;
  readonly #server: Server;
  /** Listens. gRPC's server gets its connections once they have passed the front. */
  readonly #listener: NetServer;
  readonly #front: ServerFront;
  readonly #streams = new Set<Stream>();

  constructor(
    options: ListenOptions,
    deps: KedaDeps,
    certificate: ServerCertificate | undefined,
    log: Logger,
    keepAliveMs = KEEP_ALIVE_MS,
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#server = new Server({
      ...LIMITS,
      'grpc.keepalive_time_ms': keepAliveMs,
      'grpc.keepalive_timeout_ms': keepAliveMs / 3,
    });
    const definition = loadSync([proto('externalscaler.proto'), proto('health.proto')], {
      keepCase: true,
      longs: Number,
      enums: String,
      defaults: true,
    });
    const found = loadPackageDefinition(definition) as unknown as {
      externalscaler: { ExternalScaler: ServiceClientConstructor };
      grpc: { health: { v1: { Health: ServiceClientConstructor } } };
    };
    this.#server.addService(found.externalscaler.ExternalScaler.service, this.#scaler());
    this.#server.addService(found.grpc.health.v1.Health.service, { Check: check });
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#front = new ServerFront({
      server: 'scale',
      listen: options.listen,
      certificate,
      log,
      protocols: () => ['h2'],
      answerHttp2: answerRefused,
      connected: (socket, protocol) =>
        protocol === undefined
          ? this.#readFirst(socket, () => injector.injectConnection(socket))
          : injector.injectConnection(socket),
    });
    this.#listener = createServer({ noDelay: true }, this.#front.accept);
  }

  /** Rejects with a WeirError if it cannot listen. */
  start(): Promise<void> {
    return listen(this.#listener, this.#options, '--scaler');
  }

  get address(): Address {
    return boundAddress(this.#listener, this.#options.listen);
  }

  /** The server that listens. */
  get listener(): NetServer {
    return this.#listener;
  }

  /**
   * Accepts no more calls and ends the streams without an error. KEDA reconnects within seconds then; after a broken
   * stream it waits up to a minute.
   */
  drain(): void {
    this.#listener.close();
    for (const call of this.#streams) call.end();
    // `stop` cuts what is left.
    this.#server.tryShutdown(() => undefined);
  }

  stop(): void {
    this.#listener.close();
    this.#front.close();
    this.#server.forceShutdown();
  }

  /** Calls `serve` unless the client speaks TLS. */
  #readFirst(socket: Socket, serve: () => void): void {
    awaitFirstBytes(socket, FIRST_BYTES_MS, (_, first) => {
      if (isTlsHandshake(first)) this.#front.refuseTls(socket);
      else if (first.length === 0) socket.destroy();
      else serve();
    });
  }

  #scaler(): UntypedServiceImplementation {
    const unary =
      <Q>(
        refOf: (request: Q) => ScaledObjectRef,
        responseOf: (trigger: Trigger, request: Q) => object | undefined,
      ): Unary<Q> =>
      (call, respond) => {
        const trigger = this.#trigger(refOf(call.request));
        if ('problem' in trigger) return respond(invalid(trigger.problem));
        const response = responseOf(trigger, call.request);
        // KEDA and the HPA change nothing while this is unavailable.
        if (response === undefined) respond({ code: status.UNAVAILABLE, details: NOT_COUNTED });
        else respond(null, response);
      };
    const same = (ref: ScaledObjectRef) => ref;
    return {
      IsActive: unary(same, ({ isActive }) => (isActive === undefined ? undefined : { result: isActive })),
      GetMetricSpec: unary(same, specsOf),
      GetMetrics: unary<MetricsRequest>((request) => request.scaledObjectRef ?? {}, valuesOf),
      StreamIsActive: (call: Stream) => {
        let wasActive = false;
        this.#subscribe(call, ({ isActive }) => {
          if (isActive === true && !wasActive) call.write({ result: true });
          wasActive = isActive === true;
        });
      },
      StreamMetricSpec: (call: Stream) => {
        let sent = '';
        this.#subscribe(call, (trigger) => {
          const specs = specsOf(trigger);
          if (JSON.stringify(specs) === sent) return;
          sent = JSON.stringify(specs);
          call.write(specs);
        });
      },
    };
  }

  /** Calls `send` with the trigger of a stream now and after each decision, until the stream ends. */
  #subscribe(call: Stream, send: (trigger: Trigger) => void): void {
    const update = () => {
      const trigger = this.#trigger(call.request);
      if (!('problem' in trigger)) return send(trigger);
      // For example, the deployment was removed from the configuration.
      end();
      call.emit('error', invalid(trigger.problem));
    };
    const unsubscribe = this.#deps.changed(update);
    const end = () => {
      unsubscribe();
      this.#streams.delete(call);
    };
    this.#streams.add(call);
    call.on('cancelled', end);
    call.on('close', end);
    update();
  }

  #trigger(ref: ScaledObjectRef): Trigger | { readonly problem: string } {
    return readTrigger(ref.scalerMetadata ?? {}, this.#deps.readings());
  }
}

const NOT_COUNTED = 'the replicas have not been counted yet';

/** Maximum length of an error, since it is sent in a header that KEDA limits. */
const MAX_DETAILS = 500;

const invalid = (problem: string) => ({
  code: status.INVALID_ARGUMENT,
  details: problem.length > MAX_DETAILS ? `${problem.slice(0, MAX_DETAILS)}…` : problem,
});

/** `targetSize` is for KEDA before 2.10; a target of 0 would mean none. */
const specsOf = ({ name, target }: Trigger) => ({
  metricSpecs: [{ metricName: name, targetSize: Math.max(1, Math.round(target)), targetSizeFloat: target }],
});

/** Uses the requested metric name, since KEDA adds the number of the trigger and some versions expect it back. */
const valuesOf = ({ name, value }: Trigger, { metricName }: MetricsRequest) =>
  value === undefined
    ? undefined
    : {
        metricValues: [
          { metricName: metricName || name, metricValue: Math.round(value), metricValueFloat: value },
        ],
      };

const SERVICES = new Set(['', 'externalscaler.ExternalScaler']);

const check: Unary<{ service: string }> = ({ request: { service } }, respond) => {
  if (SERVICES.has(service)) respond(null, { status: 'SERVING' });
  else respond({ code: status.NOT_FOUND, details: `unknown service ${service}` });
};
