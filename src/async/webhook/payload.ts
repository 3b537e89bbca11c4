// What a webhook says: the outcome of one asynchronous request as JSON.
// Must stay true: what the model answered is in it as it was, number for number; nothing is parsed and written anew.

/** One thing that went wrong, as the status of the request tells it. */
export interface WebhookError {
  readonly code: string;
  readonly message: string;
}

export interface WebhookOutcome {
  readonly requestId: string;
  readonly modelId: string;
  readonly deploymentId: string;
  /** When it is sent, in milliseconds since 1970; what stands behind the point are microseconds. */
  readonly timeMs: number;
  /** The body of the model's answer, unpacked; `undefined` when there is none because of an error. */
  readonly answer: Buffer | undefined;
  /** The Content-Type of the answer; empty: unknown. */
  readonly contentType: string;
  /** Empty when all went well. */
  readonly errors: readonly WebhookError[];
}

/** The same for every outcome, errors too (contract 2.7). */
const TYPE = 'async_request_completed';

/** The exact bytes to sign and send. */
export function webhookPayload(outcome: WebhookOutcome): Buffer {
  const { requestId, modelId, deploymentId, timeMs, errors } = outcome;
  const head = JSON.stringify({
    request_id: requestId,
    model_id: modelId,
    deployment_id: deploymentId,
    type: TYPE,
    time: timestamp(timeMs),
  });
  const told = JSON.stringify(errors.map(({ code, message }) => ({ code, message })));
  return Buffer.from(`${head.slice(0, -1)},"data":${dataOf(outcome)},"errors":${told}}`);
}

/** ISO 8601 in UTC with microseconds: `2024-04-30T01:01:08.883423Z`. */
export function timestamp(timeMs: number): string {
  const wholeMs = Math.floor(timeMs);
  const micros = Math.floor((timeMs - wholeMs) * 1000);
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/**
 * The answer as JSON text. The contract knows an object or a string, and has no form for binary answers: bytes that
 * are no UTF-8 become U+FFFD.
 */
function dataOf({ answer, contentType }: WebhookOutcome): string {
  if (answer === undefined) return 'null';
  const text = answer.toString('utf8');
  // A byte order mark may open a JSON document, and may not stand within one.
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return isValue(json, isJson(contentType)) ? json : JSON.stringify(text);
}

/** `application/json`, `application/problem+json; charset=utf-8`. */
const isJson = (contentType: string): boolean => /^[^;]*[/+]json\s*(;|$)/i.test(contentType);

/** A bare `42` or `true` is a value where the model says that it is JSON, and otherwise a text that looks like one. */
function isValue(text: string, isDeclared: boolean): boolean {
  if (!isDeclared && !/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Not JSON, whatever its type says: it is sent as a text, so nothing is lost.
    return false;
  }
}
