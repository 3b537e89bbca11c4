// The service of proto/example.proto for gRPC-Web clients, in Node and in browsers.
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** The service. `descriptor`: its file descriptor, in base64. */
export function serviceOf(descriptor) {
  const bytes = Uint8Array.from(atob(descriptor), (character) => character.charCodeAt(0));
  const file = fromBinary(FileDescriptorProtoSchema, bytes);
  // The loader of the tests writes names of types without the package.
  const qualified = (name) => (name === '' || name.startsWith('.') ? name : `.${file.package}.${name}`);
  for (const { field } of file.messageType) for (const one of field) one.typeName = qualified(one.typeName);
  for (const { method } of file.service)
    for (const one of method) {
      one.inputType = qualified(one.inputType);
      one.outputType = qualified(one.outputType);
    }
  return createFileRegistry(file, () => undefined).getService('example.TestService');
}

/** Metadata that the service echoes: `first` in the head, `q6ur` in the trailers. */
export const ECHO = { 'x-grpc-test-echo-initial': 'first', 'x-grpc-test-echo-trailing-bin': 'q6ur' };

/** Requests of the calls that both clients make. */
export const requests = {
  unary: { responseSize: 314159, payload: { body: new Uint8Array(271828) } },
  error: { responseStatus: { code: 5, message: 'keine \u00dcbung, 50 %' } },
  stream: { responseParameters: [31415, 9, 2653, 58979].map((size) => ({ size })) },
};
