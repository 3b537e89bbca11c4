// gRPC failures, on HTTP/2 of weir.
import { grpcFaultsContract } from '../contract/grpc-faults.ts';

grpcFaultsContract('weir');
