// gRPC calls, on HTTP/2 of Node.
import { grpcCallsContract } from '../contract/grpc-calls.ts';

grpcCallsContract('node');
