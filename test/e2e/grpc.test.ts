// gRPC calls, on HTTP/2 of weir.
import { grpcCallsContract } from '../contract/grpc-calls.ts';

grpcCallsContract('weir');
