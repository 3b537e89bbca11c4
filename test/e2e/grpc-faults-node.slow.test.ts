// gRPC failures, on HTTP/2 of Node.
import { grpcFaultsContract } from '../contract/grpc-faults.ts';

grpcFaultsContract('node');
