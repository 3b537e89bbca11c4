// The response of GET /v1/logs/{id}?with=details: all that is known of a request. Types only, so that a page can import them.
// Invariant: what is not there has a reason.
import type { LogObject } from '../logs/log-object-json.ts';
import type { AsyncTaskJson } from './async-json.ts';

/**
 * Why a body, or a part of it, is not there. `none`: there was none. `not_captured`: a setting says so. `protocol`: bodies of
 * gRPC and WebSocket are not stored. `expired`: deleted after `logs.retention_bodies`. `other`: as `reason_text` says, such
 * as `binary` or `unmaskable`. `unknown`: the client forbade it, or memory was short.
 */
export type BodyReason = 'none' | 'not_captured' | 'protocol' | 'expired' | 'other' | 'unknown';

export interface ShownBody {
  /** `cut`: only its beginning is stored. */
  readonly state: 'kept' | 'cut' | 'not_kept';
  /** Bytes that passed; `null` if unknown. */
  readonly bytes: number | null;
  /** Bytes that are stored. 0 if it is not kept. */
  readonly kept_bytes: number;
  /** The stored body if it is UTF-8. */
  readonly text?: string;
  /** The stored body if it is not UTF-8. */
  readonly base64?: string;
  /** Only with `not_kept`. */
  readonly reason?: BodyReason;
  readonly reason_text?: string;
  /** Only with `not_captured` and `cut`: the setting that said so now, such as `logs.capture` or `logs.routes[1].capture`. */
  readonly setting?: { readonly name: string; readonly value: string; readonly path?: string };
}

/** Who added it: name of the key, or `admin.key`; left out without a key. Of a rule: its id. */
interface ByWhom {
  readonly by?: string;
  readonly rule?: string;
  readonly timestamp: string;
  /** For DELETE /v1/logs/{id}/annotations/{annotation_id}; left out if it cannot be taken back alone. */
  readonly annotation_id?: string;
}

export interface ShownScore extends ByWhom {
  readonly name: string;
  readonly value: number;
}

export interface ShownComment extends ByWhom {
  readonly text: string;
}

export interface ShownTag extends ByWhom {
  readonly tag: string;
}

export interface ShownFeedback {
  /** For PUT and DELETE /v1/feedback/{id}. */
  readonly id: string;
  /** -10 to 10. */
  readonly value: number;
  /** 0 to 1. */
  readonly weight: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly by?: string;
  readonly timestamp: string;
}

export interface ShownUsage {
  readonly model?: string;
  readonly response_model?: string;
  readonly finish_reason?: string;
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly total_tokens?: number;
  readonly cached_tokens?: number;
  readonly reasoning_tokens?: number;
  readonly tokens_per_second?: number;
  readonly first_token_ms?: number;
  /** `null`: there was no price. */
  readonly cost: number | null;
  readonly currency: string | null;
  /**
   * The prices that hold now for the time of the request, per million tokens; `null`: none. `is_same`: they give the stored
   * cost.
   */
  readonly prices: {
    readonly input: number;
    readonly output: number;
    readonly cached: number;
    readonly reasoning: number;
    readonly is_same: boolean;
  } | null;
}

/** Another record with the same request id: the submit or the runs of an asynchronous request. */
export interface SiblingJson {
  readonly place: string;
  readonly timestamp: string;
  readonly message: string;
  readonly status: number;
  readonly duration_ms: number;
  readonly is_async: boolean;
  readonly replica?: string;
  readonly cause?: string;
}

export interface RequestJson {
  /** The record as a search returns it. */
  readonly log: LogObject;
  readonly place: string;
  /** Number of log lines with its id. */
  readonly lines_count: number;
  readonly trace_id: string | null;
  readonly bodies: { readonly request: ShownBody; readonly response: ShownBody };
  /** Headers are stored for requests of other gateways (POST /v1/logs) only. */
  readonly headers: {
    readonly request: Readonly<Record<string, unknown>> | null;
    readonly response: Readonly<Record<string, unknown>> | null;
  };
  /** `null`: not a request to a language model. */
  readonly usage: ShownUsage | null;
  /** The score that counts of each name. */
  readonly scores: readonly ShownScore[];
  readonly feedback: readonly ShownFeedback[];
  readonly comments: readonly ShownComment[];
  readonly tags: readonly ShownTag[];
  /** Other request records with this id, the oldest first, at most 50. */
  readonly siblings: readonly SiblingJson[];
  /** The task of an asynchronous request, if the queue still has it. */
  readonly task: AsyncTaskJson | null;
}

/** A body of an error response 404 for a request id. */
export interface UnknownRequestJson {
  readonly error: string;
  readonly error_code: string;
  readonly request_id: string;
  /**
   * `not_recorded_yet`: a request is recorded when it ends, and records of that time are kept. `deleted_by_retention`: records
   * of that time are not kept any more. `unknown`: the id has no time in it.
   */
  readonly reason: 'not_recorded_yet' | 'deleted_by_retention' | 'unknown';
  /** The time in the id. */
  readonly id_time?: string;
  /** Begin of the oldest stored request. */
  readonly oldest?: string;
  /** Number of stored log lines with this id. */
  readonly lines_count: number;
}

/** Body of POST /v1/logs/{id}/annotations. At least one part. */
export interface NewAnnotationJson {
  /** By name: a number, or `null` to remove the score. */
  readonly scores?: Readonly<Record<string, number | null>>;
  readonly comment?: string;
  readonly tags?: readonly string[];
}

/** Response of POST /v1/logs/{id}/annotations, 201. */
export interface AnnotationMadeJson {
  readonly annotation_id: string;
  readonly by?: string;
}
