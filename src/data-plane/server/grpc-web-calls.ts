// gRPC-Web calls of the data server: routes them to deployments that serve gRPC, and forwards or refuses them.
// Invariant: a gRPC-Web call gets a gRPC status, whatever is wrong.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SubjectHeader } from '../../core/client-subject.ts';
import type { Failure } from '../../core/errors.ts';
import { NO_DEPLOYMENT, type Exchange } from '../../core/exchange/exchange.ts';
import { grpcStatusOf } from '../../protocol/grpc/refusal.ts';
import { webFormatOf, type WebFormat } from '../../protocol/grpc/web-content-type.ts';
import { singleValueOf } from '../../protocol/http/forwarded-headers.ts';
import { GrpcWebCaller, type ActiveRequest, type Proxy, type RequestHeaders } from '../proxy/proxy.ts';
import type { ProtocolRouter } from '../routing/protocol-router.ts';
import type { WebCallRoute } from '../routing/route.ts';
import type { Admission } from './admission.ts';

interface GrpcWebDeps {
  readonly proxy: Proxy;
  readonly router: ProtocolRouter;
  /** `undefined`: replicas are not told the subject of the client's certificate. */
  readonly subjectHeader: SubjectHeader | undefined;
  /** `undefined`: no key is required. */
  readonly admission: Admission | undefined;
}

/** A request that is a gRPC-Web call, and where it goes. */
interface RoutedWebCall {
  readonly format: WebFormat;
  readonly route: WebCallRoute;
}

export class GrpcWebCalls {
  readonly #deps: GrpcWebDeps;
  readonly #headers: RequestHeaders;

  constructor(deps: GrpcWebDeps) {
    this.#deps = deps;
    this.#headers = deps.proxy.grpcHeaders(deps.subjectHeader);
  }

  /** Routes a request if it is a gRPC-Web call; `undefined`: it is an HTTP request like any other. */
  callOf({ method, url, headers }: IncomingMessage): RoutedWebCall | undefined {
    const format = method === 'POST' ? webFormatOf(headers['content-type']) : undefined;
    if (format === undefined) return undefined;
    const text = (name: string) => headers[name] as string | undefined;
    const route = this.#deps.router.routeWebCall(url!, {
      modelId: text('baseten-model-id'),
      environment: text('x-baseten-environment'),
      deployment: text('x-baseten-deployment'),
    });
    return route && { format, route };
  }

  /**
   * Forwards a call whose trace has begun, or refuses it and returns `undefined`. `expects`: its Expect header, in lower
   * case.
   */
  serve(
    { format, route }: RoutedWebCall,
    exchange: Exchange,
    req: IncomingMessage,
    res: ServerResponse,
    expects: string | undefined,
  ): ActiveRequest | undefined {
    const path = route.kind === 'call' ? route.path : req.url!;
    const caller = new GrpcWebCaller({ req, res, format, path }, exchange);
    const refuse = (failure: Failure, detail: string): undefined => {
      const status = grpcStatusOf(failure);
      exchange.wrote(0);
      exchange.fail(failure, detail, status);
      caller.refuse(failure, detail, status, '');
    };
    exchange.protocol = 'grpc';
    // Records and keys name the method, as for gRPC.
    exchange.target = path;
    exchange.requestedDeployment = route.deployment ?? NO_DEPLOYMENT;
    const denied = this.#deps.admission?.check(exchange, credentialsOf(req), route);
    if (denied !== undefined) return refuse(denied.failure, denied.detail);
    if (route.kind === 'refuse') return refuse(route.failure, route.detail);
    const coding = req.headers['content-encoding'];
    if (coding !== undefined && coding.toLowerCase() !== 'identity')
      return refuse('wrong_protocol', 'a gRPC-Web request must not have a Content-Encoding');
    if (expects !== undefined && expects !== '100-continue') return refuse('expectation_failed', '');
    if (expects !== undefined) res.writeContinue();
    exchange.route(route.deployment);
    route.picker.take(route.deployment);
    return this.#deps.proxy.grpc(exchange, caller, this.#headers);
  }
}

/** The key of a call, as for gRPC: contract 1.5 names `baseten-authorization`, and libraries send `authorization`. */
const credentialsOf = ({ headers, rawHeaders }: IncomingMessage): string | undefined =>
  singleValueOf(
    rawHeaders,
    headers['baseten-authorization'] === undefined ? 'authorization' : 'baseten-authorization',
  );
