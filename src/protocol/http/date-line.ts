// The Date header of responses that weir makes itself (RFC 9110 6.6.1).

let second = -1;
let line = '';

/** The header line for now, with its line end. It is made once a second. */
export function dateLine(nowMs = Date.now()): string {
  const now = Math.floor(nowMs / 1000);
  if (now !== second) {
    second = now;
    line = `Date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return line;
}
