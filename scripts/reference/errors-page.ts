// docs/reference/errors.md: every cause with which a request can fail.
import { catalogue } from '../../src/core/errors.ts';
import { code, GENERATED, page, table } from '../markdown.ts';

const INTRO = `An error of the replica passes unchanged. An error that weir makes has a JSON body with \`error\`,
\`error_code\` and \`request_id\`. Its cause is in the header \`X-Weir-Cause\`, in the access log and in the metric
\`weir_exchanges_total\`. What to do about each: [Troubleshooting](../guides/errors.md).

"Fix it at" says where the problem is: at the client, at weir and its settings, or at the replica. Status 499 is never
sent, since the client has disconnected; it is only counted and logged.`;

/** The page. */
export const errorsPage = (): string =>
  page(
    '# Errors',
    GENERATED,
    INTRO,
    table(
      ['cause', 'fix it at', 'HTTP', 'gRPC', '`error_code`', 'client may retry', 'message'],
      Object.entries(catalogue).map(([cause, row]) => [
        code(cause),
        row.origin,
        String(row.http),
        row.grpc,
        code(row.errorCode),
        row.retryable ? 'yes' : 'no',
        row.message,
      ]),
    ),
  );
