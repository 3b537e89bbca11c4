// Calls of a gRPC service by the gRPC-Web transport of connect-web, over fetch.
import { ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { ECHO, requests } from './test-service.mjs';

/** The calls by their names; each resolves to its outcome. */
export function connectWebCalls(service, baseUrl) {
  const client = createClient(service, createGrpcWebTransport({ baseUrl }));

  /** The outcome of a call with any number of responses. */
  async function outcome(name, request, options = {}) {
    const seen = { sizes: [] };
    const hooks = {
      onHeader: (headers) => (seen.initial = headers.get('x-grpc-test-echo-initial') ?? undefined),
      onTrailer: (trailers) => {
        seen.trailing = trailers.get('x-grpc-test-echo-trailing-bin') ?? undefined;
        seen.id = trailers.get('x-baseten-request-id');
      },
    };
    try {
      const answer = client[name](request, { ...options, ...hooks });
      for await (const { payload } of Symbol.asyncIterator in answer ? answer : [await answer])
        seen.sizes.push(payload?.body.length ?? 0);
      return { ...seen, code: 0 };
    } catch (error) {
      const { code, rawMessage, metadata } = ConnectError.from(error);
      const id = metadata.get('x-baseten-request-id') ?? undefined;
      return { ...seen, code, message: rawMessage, id };
    }
  }

  return {
    empty: () => outcome('emptyCall', {}),
    unary: () => outcome('unaryCall', requests.unary, { headers: ECHO }),
    error: () => outcome('unaryCall', requests.error),
    unimplemented: () => outcome('unimplementedCall', {}),
    stream: () => outcome('streamingOutputCall', requests.stream),
    nothing: () => outcome('streamingOutputCall', {}),
    deadline: () => outcome('unaryCall', {}, { timeoutMs: 300 }),
    cancel: () => outcome('unaryCall', {}, { signal: AbortSignal.timeout(300) }),
  };
}
