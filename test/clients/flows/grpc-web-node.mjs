// gRPC-Web calls from Node. CLIENT: grpc-web or connect-web. Prints a line of JSON for each call that an argument names.
import './xhr.mjs';
import { connectWebCalls } from './connect-web-calls.mjs';
import { grpcWebCalls } from './grpc-web-calls.mjs';
import { serviceOf } from './test-service.mjs';

const { CLIENT, FORMAT, BASE_URL, DESCRIPTOR } = process.env;
const service = serviceOf(DESCRIPTOR);
const calls =
  CLIENT === 'grpc-web' ? grpcWebCalls(service, BASE_URL, FORMAT) : connectWebCalls(service, BASE_URL);
for (const call of process.argv.slice(2)) console.log(JSON.stringify({ call, ...(await calls[call]()) }));
