// gRPC with Debian's python3-grpcio, whose core is the C++ one, on both sides of weir: no generated code, bytes as they are.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { startWeir, stopAll } from '../kit/weir.ts';

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
answer, call = unary.with_call(b'x' * 100000, metadata=(('k', 'v'), ('b-bin', bytes([1, 2]))), timeout=20)
trailers = dict(call.trailing_metadata())
out['unary'] = [len(answer), call.code().name, trailers['seen-id'] == trailers['x-baseten-request-id'], list(trailers['t-bin'])]
try:
    unary(b'fail', timeout=20)
except grpc.RpcError as e:
    out['fail'] = [e.code().name, e.details(), len(dict(e.trailing_metadata())['x-baseten-request-id'])]
try:
    channel.unary_unary('/any.Service/Nothing')(b'', timeout=20)
except grpc.RpcError as e:
    out['unknown'] = [e.code().name, len(dict(e.trailing_metadata())['x-baseten-request-id'])]
stream = channel.stream_stream('/any.Service/Stream')
out['stream'] = [a.decode() for a in stream(iter([b'a', b'b', b'c']), timeout=20)]
try:
    list(stream(iter([b'a']), metadata=(('x-baseten-deployment', 'none'),), timeout=20))
except grpc.RpcError as e:
    out['target'] = [e.code().name, e.details()]
print(json.dumps(out))
`;

afterAll(async () => {
  await stopAll();
  for (const child of children) child.kill('SIGKILL');
});

it.skipIf(!hasGrpc && process.env['CI'] !== 'true')(
  'python3-grpcio calls python3-grpcio through weir: messages, metadata, statuses, streams',
  async () => {
    expect(hasGrpc, 'python3-grpcio is not installed').toBe(true);
    const server = spawn(PYTHON, ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(server);
    const port = await new Promise<string>((resolve) =>
      createInterface({ input: server.stdout }).once('line', resolve),
    );
    const weir = await startWeir(['--replica', `grpc://127.0.0.1:${port}`]);
    const client = spawn(PYTHON, ['-c', CLIENT, String(weir.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(client);
    let said = '';
    client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => client.on('close', resolve));
    expect(JSON.parse(said)).toEqual({
      unary: [200_000, 'OK', true, [0, 255]],
      fail: ['FAILED_PRECONDITION', 'ümlaut 100%', 37],
      unknown: ['UNIMPLEMENTED', 37],
      stream: ['a!', 'b!', 'c!'],
      target: ['NOT_FOUND', 'No such deployment or environment: deployment "none"'],
    });
  },
  60_000,
);
