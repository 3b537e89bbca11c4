// Cases of gRPC conformance as data (test/fixtures/grpc-conformance/): what a client does, what a replica does frame by
// frame, and what the client then has.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { ROOT } from './weir.ts';

/** A step of a replica. Fields are `name: value`, with values as they are on the wire. */
export type Step =
  /** Waits for the n-th message of the client, its end, its reset, or so many milliseconds. */
  | { readonly wait: 'end' | 'reset' | { readonly messages: number } | { readonly ms: number } }
  /** Initial metadata. Without pseudo-headers it begins with `:status: 200` and a content type. */
  | { readonly head: readonly string[] }
  /** Trailers-Only: as `head`, with END_STREAM. */
  | { readonly only: readonly string[] }
  /** HEADERS with END_STREAM. */
  | { readonly trailers: readonly string[] }
  /** Messages, each with its prefix, in one DATA frame. */
  | { readonly messages: readonly string[] }
  /** A DATA frame with these bytes, in hexadecimal. */
  | { readonly data: string; readonly end?: boolean }
  /** RST_STREAM with an error code. */
  | { readonly reset: number }
  /** GOAWAY with an error code; `last`: the last stream that is served is this one, or the one before it. */
  | { readonly goaway: number; readonly last: 'this' | 'before' }
  /** Any frame; `on`: its stream, the one of the call if missing. The payload is hexadecimal. */
  | { readonly frame: number; readonly flags?: number; readonly on?: number; readonly payload?: string }
  /** Closes the connection. */
  | { readonly close: true };

export type CaseClient = 'grpc-js' | 'grpcio';
export type CallKind = 'unary' | 'client' | 'server' | 'bidi';

export interface ClientSteps {
  /** `name: value`; values of `-bin` names in base64. */
  readonly metadata?: readonly string[];
  readonly messages?: readonly string[];
  /** Sends each message but the first after one more response. */
  readonly full_duplex?: boolean;
  /** Does not end its side. */
  readonly keep_open?: boolean;
  readonly timeout_ms?: number;
  /** Cancels before its end, after its end, or after so many responses. */
  readonly cancel?: 'before_end' | 'after_end' | { readonly after_responses: number };
}

export interface Expected {
  /** One of these: the first is what the specification says, and the others are allowed. */
  readonly code: number | readonly number[];
  readonly message?: string;
  /** `null`: there is no initial metadata. */
  readonly initial?: readonly string[] | null;
  readonly messages?: readonly string[];
  readonly trailers?: readonly string[];
  /** How the replica sees the end of the call's request. */
  readonly request?: 'ended' | 'reset';
}

export interface GrpcCase {
  readonly name: string;
  readonly kind: CallKind;
  /** How a client departs from what is expected: its results are only compared with each other. */
  readonly differs?: Readonly<Partial<Record<CaseClient, string>>>;
  /** Why a client cannot make this call. */
  readonly unable?: Readonly<Partial<Record<CaseClient, string>>>;
  readonly client?: ClientSteps;
  readonly replica: readonly Step[];
  readonly expect: Expected;
  /** Where the result through weir differs, and why it must. */
  readonly through_weir?: Partial<Expected> & { readonly because: string };
}

/** What the client of a call has. Fields are `name: value`, in the order in which they came. */
export interface CaseResult {
  readonly code: number;
  readonly message: string;
  /** `null`: there was no initial metadata. */
  readonly initial: readonly string[] | null;
  readonly messages: readonly string[];
  readonly trailers: readonly string[];
}

interface CaseFile {
  readonly cases: readonly GrpcCase[];
}

const read = (name: string): unknown =>
  parse(readFileSync(`${ROOT}test/fixtures/grpc-conformance/${name}.yaml`, 'utf8'));

const readCases = (name: string): readonly GrpcCase[] => (read(name) as CaseFile).cases;

/** A table of statuses, and how calls of each kind end with one. */
function readStatusCases(): GrpcCase[] {
  const { statuses, replicas } = read('statuses') as {
    statuses: Record<string, string>;
    replicas: { name: string; kind: CallKind; client?: ClientSteps; replica: Step[]; expect: object }[];
  };
  return replicas.flatMap((one) =>
    Object.entries(statuses).map(([code, message]) => {
      const status = [`grpc-status: ${code}`, `grpc-message: ${message}`];
      const steps = one.replica.map((step) =>
        'only' in step
          ? { only: [...step.only, ...status] }
          : 'trailers' in step
            ? { trailers: [...step.trailers, ...status] }
            : step,
      );
      const expected = { ...one.expect, code: Number(code), message };
      return { ...one, name: `${one.name}/${message}`, replica: steps, expect: expected };
    }),
  );
}

/** A table of HTTP statuses without grpc-status, and the gRPC statuses that they stand for. */
function readHttpCases(): GrpcCase[] {
  const { http, because } = read('http-statuses') as { http: Record<string, number>; because: string };
  return Object.entries(http).map(([status, code]) => ({
    name: `http/${status}`,
    kind: 'unary',
    replica: [{ wait: 'end' }, { only: [`:status: ${status}`, 'content-type: text/html'] }],
    expect: { code },
    through_weir: { message: `The replica responded with HTTP ${status} without grpc-status`, because },
  }));
}

/** `name: value` as a pair. */
export function fieldOf(text: string): [string, string] {
  const at = text.indexOf(': ', 1);
  return at === -1 ? [text.slice(0, text.indexOf(':', 1)), ''] : [text.slice(0, at), text.slice(at + 2)];
}

/** All cases, by what they are about. */
export const readSuites = (): Readonly<Record<string, readonly GrpcCase[]>> => ({
  'a complete call': readCases('calls'),
  'a status': readStatusCases(),
  'a call that is cancelled, or overdue': readCases('cancellations'),
  'an HTTP status': readHttpCases(),
  'a faulty replica': readCases('broken-replicas'),
});

/** What weir adds to a response, besides the request id. */
const ADDED_TO_RESPONSE = /^(x-baseten-request-id|x-baseten-model-prediction-attempts|x-weir-cause): /;

/** Messages about a deadline: those of the clients, with times and addresses, and weir's. */
const DEADLINE = /^(Deadline [Ee]xceeded|The deadline that the client set has passed)/;

/** A result without what weir adds. */
export function comparable(result: CaseResult): CaseResult {
  const kept = (fields: readonly string[]) => fields.filter((field) => !ADDED_TO_RESPONSE.test(field));
  const { message, initial, trailers } = result;
  return {
    ...result,
    // The client's own deadline may pass before or after that of weir.
    message: DEADLINE.test(message) ? 'deadline' : message,
    initial: initial && kept(initial),
    trailers: kept(trailers),
  };
}

/** What a client must have through weir, by what it had of the replica itself. */
export function throughWeir(one: GrpcCase, direct: CaseResult): CaseResult {
  const { because: _, ...different } = one.through_weir ?? {};
  return { ...comparable(direct), ...(different as Partial<CaseResult>) };
}
