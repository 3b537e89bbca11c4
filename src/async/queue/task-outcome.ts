// Maps a response of the model, or a failure to get one, to the outcome of a task (docs/contracts/serving.md 2.6).
// MODEL_NOT_READY (400) is retried.
import type { Failure } from '../../core/errors.ts';
import type { TaskError } from './task.ts';

/** Response of a replica to a task: a status, or why there is none. */
export interface ModelResponse {
  readonly status: number;
  readonly failure: Failure | undefined;
  /** Path of the request. */
  readonly path: string;
  readonly contentType: string;
  /** Empty if it was not requested. */
  readonly body: Uint8Array;
}

/** busy: the model is at its limit, so the task is requeued. unsent: requeued without a pause or an attempt. */
export type TaskOutcome =
  | { readonly kind: 'success' | 'busy' | 'unsent' }
  | { readonly kind: 'failed'; readonly isRetryable: boolean; readonly error: TaskError };

const failed = (code: string, isRetryable: boolean, message: string): TaskOutcome => ({
  kind: 'failed',
  isRetryable,
  error: { code, message },
});

const TIMEOUTS: ReadonlySet<Failure> = new Set(['first_byte_timeout', 'idle_timeout', 'total_timeout']);

export function taskOutcome({ status, failure, path }: ModelResponse): TaskOutcome {
  if (failure === 'draining') return { kind: 'unsent' };
  // The request did not reach the model: not an attempt, but the next one needs a pause.
  if (failure === 'connect_failed') return { kind: 'busy' };
  if (failure === 'too_large')
    return failed('MODEL_PREDICT_ERROR', false, 'The response of the model is larger than async.max_result');
  if (failure !== undefined)
    return TIMEOUTS.has(failure)
      ? failed('MODEL_PREDICT_TIMEOUT', true, 'The model did not respond in time')
      : failed(
          'MODEL_UNAVAILABLE',
          true,
          'Error making prediction: no connection to the model, or it was closed before the end of the response',
        );
  if (status >= 200 && status < 300) return { kind: 'success' };
  if (status === 429) return { kind: 'busy' };
  const answered = `the model answered ${status}`;
  if (status === 400) return failed('MODEL_NOT_READY', true, `Model is not ready: ${answered}`);
  if (status === 404)
    return failed(
      'MODEL_DOES_NOT_EXIST',
      false,
      `Model does not exist: ${answered} to POST ${path}; the setting predict_path says where requests go`,
    );
  if (status === 502 || status === 503)
    return failed('MODEL_UNAVAILABLE', true, `Error making prediction: ${answered}`);
  if (status === 504) return failed('MODEL_PREDICT_TIMEOUT', true, `Error making prediction: ${answered}`);
  if (status >= 500) return failed('MODEL_PREDICT_ERROR', true, `Error making prediction: ${answered}`);
  // 422 and other client errors: another attempt gets the same response.
  return failed('MODEL_INVALID_INPUT', false, `Invalid input: ${answered}`);
}
