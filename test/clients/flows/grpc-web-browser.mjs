// gRPC-Web calls from a page of a browser: `webCall` makes one, and resolves to its outcome.
import { connectWebCalls } from './connect-web-calls.mjs';
import { grpcWebCalls } from './grpc-web-calls.mjs';
import { serviceOf } from './test-service.mjs';

globalThis.webCall = ({ client, format, baseUrl, descriptor, call }) => {
  const service = serviceOf(descriptor);
  const calls =
    client === 'grpc-web' ? grpcWebCalls(service, baseUrl, format) : connectWebCalls(service, baseUrl);
  return calls[call]();
};
