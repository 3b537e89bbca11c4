// Responses that end early, on HTTP/2 of weir.
import { grpcEarlyEndContract } from '../contract/grpc-early-end.ts';

grpcEarlyEndContract('weir');
