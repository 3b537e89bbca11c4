// What the model's answer means for a task. Must stay true: every answer, and every way of getting none, is one of these.
// Source: contracts/baseten.md 2.6 (conflict C6: MODEL_NOT_READY is retried).
import type { Failure } from '../../core/errors.ts';
import type { TaskError } from './task.ts';

/** What came of sending a task to a replica: a status, or why there was none. */
export interface ModelResponse {
  readonly status: number;
  readonly failure: Failure | undefined;
  /** Path that it was sent to. */
  readonly path: string;
  readonly contentType: string;
  /** Empty where it was not asked for. */
  readonly body: Uint8Array;
}

/** success; failed, to be tried again or not; busy: the model has no room now; unsent: it is as if it had not been tried. */
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
  // It never reached the model: no attempt, but no reason to try again at once either.
  if (failure === 'connect_failed') return { kind: 'busy' };
  if (failure === 'too_large')
    return failed('MODEL_PREDICT_ERROR', false, 'The model’s answer is larger than can be kept');
  if (failure !== undefined)
    return TIMEOUTS.has(failure)
      ? failed('MODEL_PREDICT_TIMEOUT', true, 'The model did not answer in time')
      : failed(
          'MODEL_UNAVAILABLE',
          true,
          'Error making prediction: the model could not be reached, or broke off',
        );
  if (status >= 200 && status < 300) return { kind: 'success' };
  if (status === 429) return { kind: 'busy' };
  const said = `the model answered ${status}`;
  if (status === 400) return failed('MODEL_NOT_READY', true, `Model is not ready: ${said}`);
  if (status === 404)
    return failed(
      'MODEL_DOES_NOT_EXIST',
      false,
      `Model does not exist: ${said} to POST ${path}; the setting predict_path says where requests go`,
    );
  if (status === 502 || status === 503)
    return failed('MODEL_UNAVAILABLE', true, `Error making prediction: ${said}`);
  if (status === 504) return failed('MODEL_PREDICT_TIMEOUT', true, `Error making prediction: ${said}`);
  if (status >= 500) return failed('MODEL_PREDICT_ERROR', true, `Error making prediction: ${said}`);
  // 422, and whatever else the model does not want: it will not want it the next time either.
  return failed('MODEL_INVALID_INPUT', false, `Invalid input: ${said}`);
}
