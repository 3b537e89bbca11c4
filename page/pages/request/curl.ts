// A request as a curl command, with which it can be sent again.
// Invariant: no key is in it: the command reads it from the environment variable WEIR_KEY.
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';

/** Headers that curl makes itself, or that only this one request had. */
const OWN_HEADERS =
  /^(?:host|connection|content-length|transfer-encoding|accept-encoding|authorization|cookie|x-api-key|api-key|proxy-.*|traceparent|tracestate|x-baseten-request-id|x-request-id|expect)$/i;

/** A text in single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A word that ends the here-document and does not occur as a line of the text. */
function endWord(text: string): string {
  let word = 'END';
  while (text.includes(word)) word += '_';
  return word;
}

/**
 * The command. `base`: where weir serves clients unless the variable WEIR_URL says another address, such as
 * `http://127.0.0.1:8080`. A body that is not stored as a whole cannot be sent again; a comment says so.
 */
export function curlOf({ log, bodies, headers }: RequestJson, base: string): string {
  const { method = 'POST', path = '/' } = (log.attributes ?? {}) as { method?: string; path?: string };
  const { state, text = '', base64 } = bodies.request;
  const isWhole = state === 'kept' && base64 === undefined;
  const sent = Object.entries(headers.request ?? {}).filter(
    ([name, value]) => !OWN_HEADERS.test(name) && typeof value === 'string' && !value.includes('['),
  );
  const hasType = sent.some(([name]) => name.toLowerCase() === 'content-type');
  const lines = [
    `curl "\${WEIR_URL:-${base}}"${quoted(path)}${method === 'GET' ? '' : ` -X ${/^[A-Z]+$/.test(method) ? method : quoted(method)}`}`,
    `  -H "Authorization: Bearer $WEIR_KEY"`,
    ...(hasType || text === '' ? [] : [`  -H 'Content-Type: application/json'`]),
    ...sent.map(([name, value]) => `  -H ${quoted(`${name}: ${String(value)}`)}`),
  ];
  const command = lines.join(' \\\n');
  if (bodies.request.reason === 'none') return command;
  if (!isWhole)
    return `# The body of this request is not stored as a whole.\n${command} \\\n  --data-binary @body`;
  if (text === '') return command;
  const end = endWord(text);
  return `${command} \\\n  --data-binary @- <<'${end}'\n${text}\n${end}`;
}
