// A client of weir's external scaler for KEDA, made from the proto file.
import {
  credentials,
  loadPackageDefinition,
  type ChannelCredentials,
  type Client,
  type ClientReadableStream,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ROOT } from './weir.ts';

type ScalerClient = Client &
  Record<
    string,
    (request: object, callback?: (error: ServiceError | null, reply: unknown) => void) => unknown
  >;

const definition = loadPackageDefinition(
  loadSync([`${ROOT}/proto/externalscaler.proto`, `${ROOT}/proto/health.proto`], {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
  }),
) as unknown as {
  externalscaler: { ExternalScaler: ServiceClientConstructor };
  grpc: { health: { v1: { Health: ServiceClientConstructor } } };
};

/** The ScaledObject of a request. */
const ref = (scalerMetadata: Record<string, string>) => ({
  name: 'llama',
  namespace: 'models',
  scalerMetadata,
});

/** A stream of responses. */
export interface ScalerStream<T> {
  readonly messages: T[];
  readonly error: () => ServiceError | undefined;
  /** True once weir has ended the stream, with or without an error. */
  readonly hasEnded: () => boolean;
  cancel(): void;
}

export class Keda {
  readonly #scaler: ScalerClient;
  readonly #health: ScalerClient;

  /** `how`: TLS, or clear text. `address`: of a server on a Unix socket. */
  constructor(
    port: number,
    how: ChannelCredentials = credentials.createInsecure(),
    address = `localhost:${port}`,
  ) {
    this.#scaler = new definition.externalscaler.ExternalScaler(address, how) as unknown as ScalerClient;
    this.#health = new definition.grpc.health.v1.Health(address, how) as unknown as ScalerClient;
  }

  isActive(metadata: Record<string, string> = {}): Promise<unknown> {
    return this.#call(this.#scaler, 'IsActive', ref(metadata));
  }

  metricSpec(metadata: Record<string, string> = {}): Promise<unknown> {
    return this.#call(this.#scaler, 'GetMetricSpec', ref(metadata));
  }

  metrics(metadata: Record<string, string>, metricName: string): Promise<unknown> {
    return this.#call(this.#scaler, 'GetMetrics', { scaledObjectRef: ref(metadata), metricName });
  }

  check(service: string): Promise<unknown> {
    return this.#call(this.#health, 'Check', { service });
  }

  stream<T>(
    method: 'StreamIsActive' | 'StreamMetricSpec',
    metadata: Record<string, string> = {},
  ): ScalerStream<T> {
    const messages: T[] = [];
    let failure: ServiceError | undefined;
    let hasEnded = false;
    const stream = this.#scaler[method]!(ref(metadata)) as ClientReadableStream<T>;
    stream.on('data', (one: T) => messages.push(one));
    stream.on('error', (error: ServiceError) => (failure = error));
    stream.on('end', () => (hasEnded = true));
    return { messages, error: () => failure, hasEnded: () => hasEnded, cancel: () => stream.cancel() };
  }

  close(): void {
    this.#scaler.close();
    this.#health.close();
  }

  #call(client: ScalerClient, method: string, request: object): Promise<unknown> {
    return new Promise((resolve, reject) =>
      client[method]!(request, (error, reply) => (error === null ? resolve(reply) : reject(error))),
    );
  }
}
