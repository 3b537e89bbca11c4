// Calls of a gRPC service by grpc-web, the client of the gRPC project, over XMLHttpRequest.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import grpcWeb from 'grpc-web';
import { ECHO, requests } from './test-service.mjs';

const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = grpcWeb;
/** Time in milliseconds for events that come behind the status. */
const AFTER_MS = 20;

/** The calls by their names; each resolves to its outcome. `format`: text or binary. */
export function grpcWebCalls(service, baseUrl, format) {
  const client = new GrpcWebClientBase({ format });

  function outcome(name, request, metadata = {}, cancelAfterMs = 0) {
    const { input, output, methodKind } = service.method[name];
    const path = `${baseUrl}/${service.typeName}/${service.method[name].name}`;
    const isStream = methodKind === 'server_streaming';
    const descriptor = new MethodDescriptor(
      path,
      isStream ? MethodType.SERVER_STREAMING : MethodType.UNARY,
      Object,
      Object,
      (message) => toBinary(input, create(input, message)),
      (bytes) => fromBinary(output, bytes),
    );
    const seen = { sizes: [] };
    return new Promise((resolve) => {
      const end = (more) => setTimeout(() => resolve({ ...seen, ...more }), AFTER_MS);
      const call = isStream
        ? client.serverStreaming(path, request, metadata, descriptor)
        : client.rpcCall(path, request, metadata, descriptor, (error, response) => {
            if (error) end({ code: error.code, message: error.message });
            else seen.sizes.push(response.payload?.body.length ?? 0);
          });
      call.on('metadata', (initial) => (seen.initial = initial['x-grpc-test-echo-initial']));
      call.on('status', ({ code, details, metadata: trailers = {} }) => {
        seen.trailing = trailers['x-grpc-test-echo-trailing-bin'];
        seen.id = trailers['x-baseten-request-id'];
        end({ code, message: details });
      });
      if (isStream) {
        call.on('data', ({ payload }) => seen.sizes.push(payload.body.length));
        call.on('error', ({ code, message }) => end({ code, message }));
      }
      if (cancelAfterMs > 0)
        setTimeout(() => {
          call.cancel();
          end({ code: StatusCode.CANCELLED });
        }, cancelAfterMs);
    });
  }

  return {
    empty: () => outcome('emptyCall', {}),
    unary: () => outcome('unaryCall', requests.unary, ECHO),
    error: () => outcome('unaryCall', requests.error, ECHO),
    unimplemented: () => outcome('unimplementedCall', {}),
    stream: () => outcome('streamingOutputCall', requests.stream),
    nothing: () => outcome('streamingOutputCall', {}),
    deadline: () => outcome('unaryCall', {}, { deadline: String(Date.now() + 300) }),
    cancel: () => outcome('unaryCall', {}, {}, 300),
  };
}
