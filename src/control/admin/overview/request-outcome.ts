// What became of a request, in the four classes of the overview. Hot path.
// Invariant: `5xx` is what the log store calls an error, so that a count leads to as many records; only refused keys and
// malformed requests of gRPC and WebSockets, which are errors in the store, are the client's here.
import { catalogue, type Origin } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { OverviewClass } from './overview-json.ts';

/** The class of a request that has ended. */
export function classOf({ cause, protocol, status, llm }: Exchange): OverviewClass {
  if (llm !== undefined && llm.isStream && llm.error !== undefined) return '5xx';
  if (cause === 'client_gone' || cause === 'client_stalled') return '499';
  if (protocol === 'http') return status >= 500 ? '5xx' : status >= 400 ? '4xx' : '2xx';
  if (cause !== undefined && cause !== 'ok') return catalogue[cause].origin === 'client' ? '4xx' : '5xx';
  if (protocol === 'grpc') return status === 0 ? '2xx' : '4xx';
  return status === 1011 ? '5xx' : '2xx';
}

/** Why a request failed: a cause of the catalogue, or what the replica answered. */
export interface FailureKind {
  readonly cause: string;
  readonly origin: Origin;
  /** Finds these requests in the log store. */
  readonly q: string;
}

const NO_CAUSE = 'kind:request cause:ok';
const STREAM_ERROR: FailureKind = {
  cause: 'stream_error',
  origin: 'replica',
  q: 'kind:request response_error:*',
};
const ANSWER_5XX: FailureKind = { cause: 'answer_5xx', origin: 'replica', q: `${NO_CAUSE} status:5xx` };
const ANSWER_4XX: FailureKind = { cause: 'answer_4xx', origin: 'client', q: `${NO_CAUSE} status:4xx` };
const ANSWER_GRPC: FailureKind = {
  cause: 'answer_grpc',
  origin: 'replica',
  q: `${NO_CAUSE} protocol:grpc -status:0`,
};

const ANSWER_1011: FailureKind = {
  cause: 'answer_1011',
  origin: 'replica',
  q: `${NO_CAUSE} protocol:websocket status:1011`,
};

const OF_CAUSES = new Map<string, FailureKind>(
  Object.entries(catalogue).map(([cause, { origin }]) => [
    cause,
    { cause, origin, q: `kind:request cause:${cause}` },
  ]),
);

/** Why a request of another class than `2xx` failed. */
export function failureOfRequest({ cause, protocol, status, llm }: Exchange): FailureKind {
  if (cause !== undefined && cause !== 'ok') return OF_CAUSES.get(cause)!;
  if (llm?.error !== undefined && status < 400) return STREAM_ERROR;
  if (protocol === 'grpc') return ANSWER_GRPC;
  if (protocol === 'websocket') return ANSWER_1011;
  return status >= 400 && status < 500 ? ANSWER_4XX : ANSWER_5XX;
}

/** True for a request that got no replica, since all were full. */
export const isRefusal = (cause: Exchange['cause']): boolean =>
  cause === 'queue_full' || cause === 'at_capacity';
