// gRPC with Debian's python3-grpcio (the C++ core) on both sides of weir, with raw bytes instead of generated code.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const PYTHON = '/usr/bin/python3';
const hasGrpc = spawnSync(PYTHON, ['-c', 'import grpc']).status === 0;
const children = new Set<ChildProcess>();

const SERVER = `
import grpc, sys
from concurrent import futures

class Any(grpc.GenericRpcHandler):
    def service(self, details):
        name = details.method.rsplit('/', 1)[1]
        def unary(request, context):
            got = dict(context.invocation_metadata())
            context.set_trailing_metadata((('seen-id', got['x-baseten-request-id']), ('t-bin', bytes([0, 255]))))
            if request == b'fail':
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'ümlaut 100%')
            return request * 2
        def stream(requests, context):
            for request in requests:
                yield request + b'!'
        def early(requests, context):
            next(requests)
            if name == 'EarlyMetadata':
                context.send_initial_metadata((('a', 'b'),))
            if name == 'EarlyLarge':
                for _ in range(5):
                    yield b'x' * 300000
            elif name not in ('EarlyMetadata', 'EarlyOnly', 'EarlyNothing'):
                yield b'one'
            if name in ('EarlyMetadata', 'EarlyOnly', 'EarlyError'):
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'too early')
            if name == 'EarlyDetails':
                context.set_trailing_metadata((('d-bin', bytes([0, 255])),))
                context.abort(grpc.StatusCode.ABORTED, 'details')
        def input(requests, context):
            return next(requests) * 2
        if name == 'EarlyInput':
            return grpc.stream_unary_rpc_method_handler(input)
        if name.startswith('Early'):
            return grpc.stream_stream_rpc_method_handler(early)
        if name == 'Unary':
            return grpc.unary_unary_rpc_method_handler(unary)
        if name == 'Stream':
            return grpc.stream_stream_rpc_method_handler(stream)
        return None

server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Any(),))
print(server.add_insecure_port('127.0.0.1:0'), flush=True)
server.start()
server.wait_for_termination()
`;

const CLIENT = `
import grpc, json, sys
channel = grpc.insecure_channel('127.0.0.1:' + sys.argv[1])
out = {}
unary = channel.unary_unary('/any.Service/Unary')
response, call = unary.with_call(b'x' * 100000, metadata=(('k', 'v'), ('b-bin', bytes([1, 2]))), timeout=20)
trailers = dict(call.trailing_metadata())
out['unary'] = [len(response), call.code().name, trailers['seen-id'] == trailers['x-baseten-request-id'], list(trailers['t-bin'])]
try:
    unary(b'fail', timeout=20)
except grpc.RpcError as e:
    out['fail'] = [e.code().name, e.details(), len(dict(e.trailing_metadata())['x-baseten-request-id'])]
try:
    channel.unary_unary('/any.Service/Nothing')(b'', timeout=20)
except grpc.RpcError as e:
    out['unknown'] = [e.code().name, len(dict(e.trailing_metadata())['x-baseten-request-id'])]
stream = channel.stream_stream('/any.Service/Stream')
out['stream'] = [message.decode() for message in stream(iter([b'a', b'b', b'c']), timeout=20)]
try:
    list(stream(iter([b'a']), metadata=(('x-baseten-deployment', 'none'),), timeout=20))
except grpc.RpcError as e:
    out['target'] = [e.code().name, e.details()]
print(json.dumps(out))
`;

/** Makes each kind of call 20 times. The client sends one message and keeps its side open; the server ends the call. */
const EARLY_CLIENT = `
import grpc, json, sys, threading
channel = grpc.insecure_channel('127.0.0.1:' + sys.argv[1])
out = {}
for name in sys.argv[2:]:
    seen = {}
    for _ in range(20):
        over = threading.Event()
        def requests():
            yield b'a'
            over.wait(30)
        size = 0
        if name == 'EarlyInput':
            call = channel.stream_unary('/any.Service/' + name).future(requests(), timeout=20)
            if call.exception() is None:
                size = len(call.result())
        else:
            call = channel.stream_stream('/any.Service/' + name)(requests(), timeout=20)
            try:
                for message in call:
                    size += len(message)
            except grpc.RpcError:
                pass
        ids = len(dict(call.trailing_metadata() or ()).get('x-baseten-request-id', ''))
        key = ' '.join([str(size), call.code().name, call.details() or '-', str(ids)])
        seen[key] = seen.get(key, 0) + 1
        over.set()
    out[name] = seen
print(json.dumps(out))
`;

/** Starts the Python server and a weir in front of it. */
async function startPair(): Promise<Weir> {
  const server = spawn(PYTHON, ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(server);
  const port = await new Promise<string>((resolve) =>
    createInterface({ input: server.stdout }).once('line', resolve),
  );
  return startWeir(['--replica', `grpc://127.0.0.1:${port}`]);
}

/** Runs a Python client. Returns its output, parsed as JSON. */
async function run(program: string, ...args: string[]): Promise<unknown> {
  const client = spawn(PYTHON, ['-c', program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(client);
  let output = '';
  client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => client.on('close', resolve));
  return JSON.parse(output);
}

afterAll(async () => {
  await stopAll();
  for (const child of children) child.kill('SIGKILL');
});

it.skipIf(!hasGrpc && process.env['CI'] !== 'true')(
  'forwards messages, metadata, statuses and streams between python3-grpcio clients and servers',
  async () => {
    expect(hasGrpc, 'python3-grpcio is not installed').toBe(true);
    const weir = await startPair();
    expect(await run(CLIENT, String(weir.port))).toEqual({
      unary: [200_000, 'OK', true, [0, 255]],
      fail: ['FAILED_PRECONDITION', 'ümlaut 100%', 37],
      unknown: ['UNIMPLEMENTED', 37],
      stream: ['a!', 'b!', 'c!'],
      target: ['NOT_FOUND', 'No such deployment or environment: deployment "none"'],
    });
  },
  60_000,
);

it.skipIf(!hasGrpc && process.env['CI'] !== 'true')(
  'forwards the status of each python3-grpcio call that the server ends before the client',
  async () => {
    expect(hasGrpc, 'python3-grpcio is not installed').toBe(true);
    const weir = await startPair();
    const kinds: Record<string, string> = {
      EarlyOk: '3 OK - 37',
      EarlyLarge: '1500000 OK - 37',
      EarlyError: '3 FAILED_PRECONDITION too early 37',
      EarlyDetails: '3 ABORTED details 37',
      EarlyMetadata: '0 FAILED_PRECONDITION too early 37',
      EarlyOnly: '0 FAILED_PRECONDITION too early 37',
      EarlyNothing: '0 OK - 37',
      EarlyInput: '2 OK - 37',
    };
    const seen = await run(EARLY_CLIENT, String(weir.port), ...Object.keys(kinds));
    expect(seen).toEqual(
      Object.fromEntries(Object.entries(kinds).map(([name, outcome]) => [name, { [outcome]: 20 }])),
    );
    const ended = (code: number) =>
      `baseten_inference_requests_total{status_code="${code}",is_async="false"}`;
    await weir.expectMetric(ended(0), 80);
    await weir.expectMetric(ended(9), 60);
    await weir.expectMetric(ended(10), 20);
    await weir.expectMetric('baseten_concurrent_requests', 0);
  },
  60_000,
);
