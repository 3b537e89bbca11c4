// Body of a webhook: the outcome of one asynchronous request as JSON.
// Invariant: the response of the model is copied as text, so numbers keep their digits.

/** An error, as in the status of the request. */
export interface WebhookError {
  readonly code: string;
  readonly message: string;
}

export interface WebhookOutcome {
  readonly requestId: string;
  readonly modelId: string;
  readonly deploymentId: string;
  /** Time of sending in milliseconds since the epoch; the fraction gives microseconds. */
  readonly timeMs: number;
  /** Decoded body of the model's response; `undefined` after an error. */
  readonly response: Buffer | undefined;
  /** Content-Type of the response; '' if unknown. */
  readonly contentType: string;
  /** Empty after success. */
  readonly errors: readonly WebhookError[];
}

/** The same for success and errors (contract 2.7). */
const TYPE = 'async_request_completed';

/** Bytes to sign and send. */
export function webhookPayload(outcome: WebhookOutcome): Buffer {
  const { requestId, modelId, deploymentId, timeMs, errors } = outcome;
  const head = JSON.stringify({
    request_id: requestId,
    model_id: modelId,
    deployment_id: deploymentId,
    type: TYPE,
    time: timestamp(timeMs),
  });
  const errorList = JSON.stringify(errors.map(({ code, message }) => ({ code, message })));
  return Buffer.from(`${head.slice(0, -1)},"data":${dataOf(outcome)},"errors":${errorList}}`);
}

/** ISO 8601 in UTC with microseconds: `2024-04-30T01:01:08.883423Z`. */
export function timestamp(timeMs: number): string {
  const wholeMs = Math.floor(timeMs);
  const micros = Math.floor((timeMs - wholeMs) * 1000);
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/**
 * The response as JSON text: a JSON value, or a string. The contract has no form for binary responses, so bytes that
 * are not UTF-8 become U+FFFD.
 */
function dataOf({ response, contentType }: WebhookOutcome): string {
  if (response === undefined) return 'null';
  const text = response.toString('utf8');
  // A byte order mark is allowed at the start of a JSON document, but not inside.
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return isValue(json, isJson(contentType)) ? json : JSON.stringify(text);
}

/** `application/json`, `application/problem+json; charset=utf-8`. */
const isJson = (contentType: string): boolean => /^[^;]*[/+]json\s*(;|$)/i.test(contentType);

/** True for valid JSON. Without a JSON Content-Type only objects and arrays count, since a bare `42` may be text. */
function isValue(text: string, isDeclared: boolean): boolean {
  if (!isDeclared && !/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Invalid JSON is sent as a string, so that nothing is lost.
    return false;
  }
}
