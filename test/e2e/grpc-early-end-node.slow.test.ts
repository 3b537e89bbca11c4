// Responses that end early, on HTTP/2 of Node.
import { grpcEarlyEndContract } from '../contract/grpc-early-end.ts';

grpcEarlyEndContract('node');
