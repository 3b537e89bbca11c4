// Settings of a receiver that users name: its URL, and headers with secrets.
// Invariant: a header value is never in a text that this file makes.
import { networkInterfaces } from 'node:os';

/** Replaces header values in output. As input it means the current value. */
export const HIDDEN_VALUE = '***';

/** Headers that weir sets itself. */
const OWN_HEADERS = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'expect',
  'upgrade',
  'te',
  'trailer',
]);
const MAX_URL = 2048;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
/** Visible characters with spaces inside, which Node sends unchanged. */
const HEADER_VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,8190}[!-~\x80-\xff])?)?$/;

/** The URL in normalized form, so that the URL that is shown is the URL that is called. */
export function readReceiverUrl(input: string, example: string): { value: string } | { problem: string } {
  const url = input.length > MAX_URL || /[\s\\]/.test(input) ? null : URL.parse(input);
  if (url === null || url.hostname === '' || !/^https?:$/.test(url.protocol))
    return { problem: `must be a URL such as ${example}` };
  if (url.username !== '' || url.password !== '')
    return { problem: 'must not contain a user name or password; use header_name and header_value' };
  if (url.hash !== '') return { problem: 'must not have a fragment (#…)' };
  return { value: url.href };
}

/** True if a URL leads to one of these ports of this machine. */
export function leadsToPort(text: string, ports: readonly number[]): boolean {
  const url = new URL(text);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isThisMachine =
    /^(localhost\.?|127\.[\d.]+|0\.0\.0\.0|::1?|::ffff:7f[0-9a-f:]+)$/.test(host) ||
    Object.values(networkInterfaces()).some((own) => own?.some(({ address }) => address === host));
  return isThisMachine && ports.includes(port);
}

/** Problems of a header, as sentences that begin with `where`. They never contain its value. */
export function headerProblems(where: string, name: string, value: string): string[] {
  const problems: string[] = [];
  // `__proto__` as a key of an object literal sets the prototype, so the header would be lost.
  if (!HEADER_NAME.test(name) || name === '__proto__')
    problems.push(
      `${where} is ${JSON.stringify(name.slice(0, 80))}, must be a header name such as Authorization`,
    );
  else if (OWN_HEADERS.has(name.toLowerCase()))
    problems.push(`${where} is ${name}; weir sets this header itself`);
  if (value === HIDDEN_VALUE)
    problems.push(
      `the value of header ${name} is ${HIDDEN_VALUE}, which is a placeholder; give the value itself`,
    );
  else if (!HEADER_VALUE.test(value))
    problems.push(
      `the value of header ${name} must have at most 8192 visible characters, no line break, and no space at either end`,
    );
  return problems;
}

/** Replaces secrets in a text, such as an error message of the receiver. */
export function scrubValues(text: string, values: readonly string[]): string {
  const parts = values
    // Includes the part after `Bearer`. Parts below 4 characters are not secret and occur in any text.
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((part) => part.length >= 4)
    // Longest first, since one part may be the start of another.
    .sort((a, b) => b.length - a.length);
  return parts.reduce((clean, part) => clean.replaceAll(part, HIDDEN_VALUE), text);
}
