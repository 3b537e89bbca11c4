// The static table of HPACK (RFC 7541 appendix A): 61 fields that both peers know from the start.

/** A field a line: the name, and after a space the value. */
const LINES = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
`;

/** Name and value of the fields in order. The first has index 1. */
export const STATIC_TABLE: readonly (readonly [name: string, value: string])[] = LINES.trim()
  .split('\n')
  .map((line) => {
    const space = line.indexOf(' ');
    return space === -1 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
  });

/** Length of the longest value. */
export const MAX_STATIC_VALUE = Math.max(...STATIC_TABLE.map(([, value]) => value.length));

/** Where a name is in the static table. */
export interface StaticName {
  /** Index of the first field with the name. */
  readonly index: number;
  /** Index of each field with the name, by its value. */
  readonly values: ReadonlyMap<string, number>;
}

function namesOfTable(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> }>();
  for (const [i, [name, value]] of STATIC_TABLE.entries()) {
    const known = names.get(name);
    if (known === undefined) names.set(name, { index: i + 1, values: new Map([[value, i + 1]]) });
    else known.values.set(value, i + 1);
  }
  return names;
}

/** The names of the static table. */
export const STATIC_NAMES = namesOfTable();
