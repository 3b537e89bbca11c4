// Conformance of gRPC requests that break a rule: what a server of @grpc/grpc-js answers itself, and through weir.
// Source: connectrpc/conformance, as data in test/fixtures/grpc-conformance/broken-requests.yaml.
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { fieldOf } from '../kit/grpc-case.ts';
import { closeGrpc, startGrpcReplica } from '../kit/test-service.ts';
import { ROOT, startWeir, stopAll, type Weir } from '../kit/weir.ts';

/** A response. */
interface Response {
  readonly status: number;
  /** -1: there is no grpc-status. */
  readonly code: number;
  readonly message: string;
  /** Content type, for HTTP responses. */
  readonly type: string;
  /** In hexadecimal; of an HTTP error, its text. */
  readonly body: string;
}

interface RequestCase {
  readonly name: string;
  /** A method of TestService, or a whole path. */
  readonly path: string;
  /** `name: value` in place of the default; an empty value leaves it out. */
  readonly fields?: readonly string[];
  readonly data?: string;
  readonly expect: { readonly status: number | number[]; readonly code?: number | number[] };
  readonly through_weir?: Partial<Response> & { readonly because: string };
}

const file = readFileSync(`${ROOT}test/fixtures/grpc-conformance/broken-requests.yaml`, 'utf8');
const { cases } = parse(file) as { cases: RequestCase[] };

let weir: Weir;
let direct: ClientHttp2Session;
let through: ClientHttp2Session;

beforeAll(async () => {
  const replica = await startGrpcReplica();
  weir = await startWeir([`--replica=${replica.url}`, '--log-access=false']);
  direct = connect(`http://127.0.0.1:${replica.port}`);
  through = connect(weir.url);
});

afterAll(async () => {
  direct.destroy();
  through.destroy();
  await stopAll();
  await closeGrpc();
});

/** Sends the request of a case, and reads the whole response. */
function send(session: ClientHttp2Session, { path, fields = [], data }: RequestCase): Promise<Response> {
  const headers: Record<string, string> = {
    ':method': 'POST',
    ':path': path.startsWith('/') ? path : `/example.TestService/${path}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  for (const [name, value] of fields.map(fieldOf))
    if (value === '') delete headers[name];
    else headers[name] = value;
  const stream = session.request(headers, { endStream: data === undefined });
  let all: IncomingHttpHeaders = {};
  const pieces: Buffer[] = [];
  stream.on('response', (head) => (all = head));
  stream.on('trailers', (trailers) => (all = { ...all, ...trailers }));
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  if (data !== undefined) stream.end(Buffer.from(data, 'hex'));
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', () => {
      const body = Buffer.concat(pieces);
      const grpcMessage = [all['grpc-message'] ?? ''].flat().join(' ');
      const type = all['content-type'] ?? '';
      const isJson = type === 'application/json';
      resolve({
        status: Number(all[':status']),
        code: Number(all['grpc-status'] ?? -1),
        message: decodeURIComponent(grpcMessage),
        type: type.startsWith('application/grpc') ? '' : type,
        body: isJson ? (JSON.parse(body.toString()) as { error: string }).error : body.toString('hex'),
      });
    });
  });
}

it.each(cases)('$name has the same response through weir', async (one) => {
  const asked = await send(direct, one);
  const { status, code } = one.expect;
  expect([status].flat()).toContain(asked.status);
  if (code !== undefined) expect([code].flat(), asked.message).toContain(asked.code);
  const { because: _, ...different } = one.through_weir ?? {};
  expect(await send(through, one)).toEqual({ ...asked, ...different });
});

it('leaves no call behind', async () => {
  await weir.expectMetric('baseten_concurrent_requests', 0);
});
