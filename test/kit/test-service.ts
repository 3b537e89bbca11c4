// The service of proto/example.proto, with servers and clients of @grpc/grpc-js.
// Invariant: every server and client is closed by `closeGrpc`.
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ROOT } from './weir.ts';

/** A message, as the proto loader decodes it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Message = any;

const definition = loadSync(`${ROOT}proto/example.proto`, { keepCase: false, longs: Number, defaults: true });
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  example: { TestService: grpc.ServiceClientConstructor };
};
const { TestService } = loaded.example;

/** Path and codec of each method, by its name: `UnaryCall` and so on. */
export const testMethods = TestService.service as Record<string, grpc.MethodDefinition<Message, Message>>;

/** The file descriptor of the service, in base64. */
export const testDescriptor = (
  definition['example.Empty'] as unknown as { fileDescriptorProtos: Buffer[] }
).fileDescriptorProtos[0]!.toString('base64');

const UNLIMITED = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};

export interface GrpcReplica {
  readonly server: grpc.Server;
  readonly url: string;
  readonly port: number;
  /** Metadata of the calls so far. */
  readonly seen: grpc.Metadata[];
  /** Deadlines of the calls so far, as the server decoded them. */
  readonly deadlines: grpc.Deadline[];
  /** Calls that were cancelled by their clients. */
  cancelled: number;
  /** Calls begun. */
  calls: number;
  /** Unary calls wait for this. */
  hold: Promise<void> | undefined;
}

const servers = new Set<grpc.Server>();
const clients = new Set<grpc.Client>();

type Handlers = grpc.UntypedServiceImplementation;
type Unary = grpc.ServerUnaryCall<Message, Message>;
type Duplex = grpc.ServerDuplexStream<Message, Message>;

/** The common part of the four kinds of calls. */
type Call = Pick<Unary, 'metadata' | 'getDeadline'> & NodeJS.EventEmitter;

const body = (size: number) => ({ payload: { body: Buffer.alloc(size) } });

/** Echoes metadata as the gRPC interop tests define it. */
function echoMetadata(call: {
  metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
}): grpc.Metadata {
  const initial = new grpc.Metadata();
  const trailing = new grpc.Metadata();
  for (const value of call.metadata.get('x-grpc-test-echo-initial'))
    initial.add('x-grpc-test-echo-initial', value);
  for (const value of call.metadata.get('x-grpc-test-echo-trailing-bin'))
    trailing.add('x-grpc-test-echo-trailing-bin', value);
  if (initial.get('x-grpc-test-echo-initial').length > 0) call.sendMetadata(initial);
  return trailing;
}

function requestedError({ responseStatus }: Message, metadata: grpc.Metadata): grpc.ServiceError | undefined {
  if (!responseStatus || responseStatus.code === 0) return undefined;
  return Object.assign(new Error(responseStatus.message as string), {
    code: responseStatus.code as number,
    details: responseStatus.message as string,
    metadata,
  });
}

function handlers(replica: GrpcReplica): Handlers {
  const recordCall = (call: Call) => {
    replica.calls++;
    replica.seen.push(call.metadata);
    replica.deadlines.push(call.getDeadline());
    call.on('cancelled', () => replica.cancelled++);
  };
  return {
    emptyCall(call: Unary, done: grpc.sendUnaryData<Message>) {
      recordCall(call);
      done(null, {}, echoMetadata(call));
    },
    async unaryCall(call: Unary, done: grpc.sendUnaryData<Message>) {
      recordCall(call);
      await replica.hold;
      const trailing = echoMetadata(call);
      const error = requestedError(call.request, trailing);
      if (error) done(error);
      else done(null, body(call.request.responseSize as number), trailing);
    },
    streamingInputCall(call: grpc.ServerReadableStream<Message, Message>, done: grpc.sendUnaryData<Message>) {
      recordCall(call);
      let size = 0;
      call.on('data', ({ payload }: Message) => (size += payload.body.length as number));
      call.on('end', () => done(null, { aggregatedPayloadSize: size }));
    },
    streamingOutputCall(call: grpc.ServerWritableStream<Message, Message>) {
      recordCall(call);
      for (const { size } of call.request.responseParameters as { size: number }[]) call.write(body(size));
      call.end();
    },
    fullDuplexCall(call: Duplex) {
      recordCall(call);
      const trailing = echoMetadata(call);
      call.on('data', (request: Message) => {
        const error = requestedError(request, trailing);
        if (error) return call.emit('error', error);
        for (const { size } of request.responseParameters as { size: number }[]) call.write(body(size));
        return undefined;
      });
      call.on('end', () => call.end(trailing));
    },
  };
}

/** Starts a replica on a free port, or on `port`. */
export async function startGrpcReplica(
  options: grpc.ServerOptions = {},
  port = 0,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<GrpcReplica> {
  const server = new grpc.Server({ ...UNLIMITED, ...options });
  servers.add(server);
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, got) =>
      error ? reject(error) : resolve(got),
    ),
  );
  const replica: GrpcReplica = {
    server,
    url: `grpc://127.0.0.1:${bound}`,
    port: bound,
    seen: [],
    deadlines: [],
    cancelled: 0,
    calls: 0,
    hold: undefined,
  };
  server.addService(TestService.service, handlers(replica));
  return replica;
}

/** The outcome of a call, as its client saw it. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly responses: Message[];
  readonly initial: grpc.Metadata | undefined;
  readonly trailers: grpc.Metadata;
  /** Request id from the trailers. */
  readonly id: string;
}

/** A client of a weir, or of a replica, on its own connection. */
export class TestClient {
  readonly client: grpc.Client;

  /** `at`: port, or path of a Unix socket. */
  constructor(
    at: number | string,
    options: grpc.ClientOptions = {},
    credentials = grpc.credentials.createInsecure(),
  ) {
    const address = typeof at === 'string' ? `unix:${at}` : `127.0.0.1:${at}`;
    this.client = new TestService(address, credentials, {
      ...UNLIMITED,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
    clients.add(this.client);
  }

  /** Begins a call with one request and one response: `emptyCall`, `unaryCall`, `unimplementedCall`. */
  unary(name: string, request: Message = {}, given: Given = {}): Begun<grpc.ClientUnaryCall> {
    let response: Message;
    const call = this.#method(name)(
      request,
      metadataOf(given),
      given.options ?? {},
      (_: unknown, got: Message) => {
        response = got;
      },
    ) as grpc.ClientUnaryCall;
    return { call, outcome: outcomeOf(call, () => (response === undefined ? [] : [response])) };
  }

  /** Begins a call with many requests and one response. */
  input(given: Given = {}): Begun<grpc.ClientWritableStream<Message>> {
    let response: Message;
    const call = this.#method('streamingInputCall')(
      metadataOf(given),
      given.options ?? {},
      (_: unknown, got: Message) => (response = got),
    ) as grpc.ClientWritableStream<Message>;
    return { call, outcome: outcomeOf(call, () => (response === undefined ? [] : [response])) };
  }

  /** Begins a call with one request and many responses. */
  output(request: Message, given: Given = {}): Begun<grpc.ClientReadableStream<Message>> {
    const call = this.#method('streamingOutputCall')(
      request,
      metadataOf(given),
      given.options ?? {},
    ) as grpc.ClientReadableStream<Message>;
    return { call, outcome: outcomeOf(call, collected(call)) };
  }

  /** Begins a call with many requests and many responses. */
  duplex(given: Given = {}): Begun<grpc.ClientDuplexStream<Message, Message>> {
    const call = this.#method('fullDuplexCall')(
      metadataOf(given),
      given.options ?? {},
    ) as grpc.ClientDuplexStream<Message, Message>;
    return { call, outcome: outcomeOf(call, collected(call)) };
  }

  #method(name: string): (...args: unknown[]) => unknown {
    const methods = this.client as unknown as Record<string, (...args: unknown[]) => unknown>;
    return methods[name]!.bind(this.client);
  }
}

export interface Given {
  readonly metadata?: readonly (readonly [string, string | Buffer])[];
  readonly options?: grpc.CallOptions;
}

export interface Begun<C> {
  readonly call: C;
  readonly outcome: Promise<Outcome>;
}

function metadataOf({ metadata = [] }: Given): grpc.Metadata {
  const out = new grpc.Metadata();
  for (const [name, value] of metadata) out.add(name, value);
  return out;
}

function collected(call: grpc.ClientReadableStream<Message>): () => Message[] {
  const responses: Message[] = [];
  call.on('data', (response: Message) => responses.push(response));
  // The status event has the error.
  call.on('error', () => undefined);
  return () => responses;
}

function outcomeOf(call: grpc.Call, responses: () => Message[]): Promise<Outcome> {
  const events = call as unknown as NodeJS.EventEmitter;
  let initial: grpc.Metadata | undefined;
  events.on('metadata', (metadata: grpc.Metadata) => (initial = metadata));
  return new Promise((resolve) =>
    events.on('status', ({ code, details, metadata }: grpc.StatusObject) =>
      // The callback of a unary call comes after its status.
      setImmediate(() =>
        resolve({
          code,
          details,
          responses: responses(),
          initial,
          trailers: metadata,
          id: String(metadata.get('x-baseten-request-id')[0] ?? ''),
        }),
      ),
    ),
  );
}

export async function closeGrpc(): Promise<void> {
  for (const client of clients) client.close();
  clients.clear();
  for (const server of servers) server.forceShutdown();
  servers.clear();
}
