// Errors in the form that Braintrust's clients show to their users.
// Invariant: the text is in every place where one of the clients looks for it.
// Source: docs/contracts/braintrust.md 2.
import type { ErrorForm } from '../endpoint.ts';

/** Status → the word in `Code`. */
const CODES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'UnauthorizedError',
  403: 'ForbiddenError',
  404: 'NotFoundError',
  405: 'MethodNotAllowedError',
  409: 'ConflictError',
  413: 'PayloadTooLargeError',
  415: 'UnsupportedMediaTypeError',
  429: 'TooManyRequestsError',
};

/** `message`: @braintrust/api. `Message` and `Code`: bt. `error`: the SDKs. */
export const braintrustError: ErrorForm = ({ failure, status, message, requestId }) => {
  const code = CODES[status] ?? (status < 500 ? 'ClientError' : 'InternalServerError');
  return {
    body: {
      message,
      Message: message,
      Code: code,
      error: { message, code, type: failure, request_id: requestId },
    },
  };
};
