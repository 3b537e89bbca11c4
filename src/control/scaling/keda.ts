// The door for KEDA: its external scaler protocol (proto/externalscaler.proto) and gRPC's health check (proto/health.proto).
// Must stay true: what KEDA gets is what `/v1/scale` shows at that moment; a ScaledObject that is wrong is told so in a
// sentence; of activity only `true` is pushed, and at once; a KEDA that is gone leaves nothing behind. Loaded only where
// the door is open; only this file imports gRPC.
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
import { WeirError } from '../../core/errors.ts';
import { formatAddress, type Address } from '../../core/settings.ts';
import { readTrigger, type Trigger } from './scaled-object.ts';
import type { ScaleReading } from './autoscaler.ts';

/** Questions are small; nobody needs more of this door. */
const LIMITS = { 'grpc.max_receive_message_length': 64 * 1024, 'grpc.max_concurrent_streams': 256 };
/**
 * Connections are pinged this often: a stream that tells nothing for a day must not be forgotten by what lies between,
 * nor be kept for a KEDA whose machine is gone.
 */
const KEEP_ALIVE_MS = 30_000;

// The same place beside the sources and beside the build.
const proto = (name: string): string => fileURLToPath(new URL(`../../../proto/${name}`, import.meta.url));

interface ScaledObjectRef {
  readonly scalerMetadata?: Readonly<Record<string, string>>;
}
interface MetricsRequest {
  readonly scaledObjectRef?: ScaledObjectRef | null;
  readonly metricName: string;
}
type Unary<Q> = (call: ServerUnaryCall<Q, object>, answer: sendUnaryData<object>) => void;
type Stream = ServerWritableStream<ScaledObjectRef, object>;

/** What the door shows. */
export interface KedaDeps {
  readonly readings: () => readonly ScaleReading[];
  /** Calls after every decision; returns what ends that. */
  readonly changed: (listener: () => void) => () => void;
}

export class KedaServer {
  readonly #listen: Address;
  readonly #deps: KedaDeps;
  readonly #server: Server;
  readonly #streams = new Set<Stream>();
  #port = 0;

  constructor({ listen }: { readonly listen: Address }, deps: KedaDeps, keepAliveMs = KEEP_ALIVE_MS) {
    this.#listen = listen;
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
  }

  start(): Promise<void> {
    const address = formatAddress(this.#listen);
    return new Promise((resolve, reject) =>
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        this.#port = port;
        if (error === null) return resolve();
        const detail = `cannot listen on ${address}: ${error.message}; choose another address with --scaler`;
        reject(new WeirError('listen_failed', detail, { cause: error }));
      }),
    );
  }

  get address(): Address {
    return { host: this.#listen.host, port: this.#port };
  }

  /**
   * Takes no more calls and ends the streams in good order: KEDA comes back within seconds after that, while it waits
   * longer each time (up to a minute) after a stream that broke.
   */
  leave(): void {
    for (const call of this.#streams) call.end();
    // Who still does not go is cut by `stop`.
    this.#server.tryShutdown(() => undefined);
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #scaler(): UntypedServiceImplementation {
    const unary =
      <Q>(
        refOf: (request: Q) => ScaledObjectRef,
        answerOf: (trigger: Trigger, request: Q) => object | undefined,
      ): Unary<Q> =>
      (call, answer) => {
        const trigger = this.#trigger(refOf(call.request));
        if ('problem' in trigger) return answer(refusal(trigger.problem));
        const found = answerOf(trigger, call.request);
        // KEDA and the HPA leave everything as it is meanwhile.
        if (found === undefined) answer({ code: status.UNAVAILABLE, details: NOT_COUNTED });
        else answer(null, found);
      };
    const same = (ref: ScaledObjectRef) => ref;
    return {
      IsActive: unary(same, ({ isActive }) => (isActive === undefined ? undefined : { result: isActive })),
      GetMetricSpec: unary(same, specsOf),
      GetMetrics: unary<MetricsRequest>((request) => request.scaledObjectRef ?? {}, valuesOf),
      StreamIsActive: (call: Stream) => {
        let wasActive = false;
        this.#follow(call, ({ isActive }) => {
          if (isActive === true && !wasActive) call.write({ result: true });
          wasActive = isActive === true;
        });
      },
      StreamMetricSpec: (call: Stream) => {
        let sent = '';
        this.#follow(call, (trigger) => {
          const specs = specsOf(trigger);
          if (JSON.stringify(specs) === sent) return;
          sent = JSON.stringify(specs);
          call.write(specs);
        });
      },
    };
  }

  /** Shows the trigger of a stream now and after every decision, for as long as the stream lives. */
  #follow(call: Stream, show: (trigger: Trigger) => void): void {
    const look = () => {
      const trigger = this.#trigger(call.request);
      if (!('problem' in trigger)) return show(trigger);
      // Also a deployment that has left the configuration since.
      end();
      call.emit('error', refusal(trigger.problem));
    };
    const forget = this.#deps.changed(look);
    const end = () => {
      forget();
      this.#streams.delete(call);
    };
    this.#streams.add(call);
    call.on('cancelled', end);
    call.on('close', end);
    look();
  }

  #trigger(ref: ScaledObjectRef): Trigger | { readonly problem: string } {
    return readTrigger(ref.scalerMetadata ?? {}, this.#deps.readings());
  }
}

const NOT_COUNTED = 'how many replicas there are has not been counted yet';

/** It travels in a header, of which KEDA takes so much only. */
const MAX_SENTENCE = 500;

const refusal = (problem: string) => ({
  code: status.INVALID_ARGUMENT,
  details: problem.length > MAX_SENTENCE ? `${problem.slice(0, MAX_SENTENCE)}…` : problem,
});

/** KEDA before 2.10 reads the whole number alone, and a target of 0 would mean no target. */
const specsOf = ({ name, target }: Trigger) => ({
  metricSpecs: [{ metricName: name, targetSize: Math.max(1, Math.round(target)), targetSizeFloat: target }],
});

/** Under the name that was asked for: KEDA puts the trigger's number before ours, and some versions want it back. */
const valuesOf = ({ name, value }: Trigger, { metricName }: MetricsRequest) =>
  value === undefined
    ? undefined
    : {
        metricValues: [
          { metricName: metricName || name, metricValue: Math.round(value), metricValueFloat: value },
        ],
      };

const SERVICES = new Set(['', 'externalscaler.ExternalScaler']);

const check: Unary<{ service: string }> = ({ request: { service } }, answer) => {
  if (SERVICES.has(service)) answer(null, { status: 'SERVING' });
  else answer({ code: status.NOT_FOUND, details: `there is no service ${service} here` });
};
