// The subject of a client's certificate as text.
// Invariant: the text has no control characters and at most MAX_SUBJECT characters, and different subjects have different
// texts.
import { createHash, type X509Certificate } from 'node:crypto';

const MAX_SUBJECT = 512;
/** Digits of the hash in place of the end of a longer subject. */
const HASH_DIGITS = 32;

/** `\C2\85` in place of a character, as in RFC 2253 2.4. */
const escaped = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

/**
 * The subject in the form of RFC 2253: `CN=client,O=Example`, the most specific part first. A certificate without a
 * subject has its alternative names instead, such as `URI:spiffe://example.org/client`. In place of the end of a long text
 * is a hash of the whole.
 */
export function subjectText({ subject, subjectAltName = '' }: X509Certificate): string {
  // Node puts the parts on lines of their own, in the order of the certificate, and has escaped special characters in
  // their values.
  const text = (subject ? subject.split('\n').reverse().join(',') : subjectAltName).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    escaped,
  );
  if (text.length <= MAX_SUBJECT) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
  return `${text.slice(0, MAX_SUBJECT - HASH_DIGITS - 1)}…${hash}`;
}

/** The header that tells replicas the subject of a client's certificate. */
export class SubjectHeader {
  readonly name: string;
  readonly lower: string;
  /** Lines of a head that have this name, with `_` in place of `-` too. */
  readonly #lines: RegExp;

  constructor(name: string) {
    this.name = name;
    this.lower = name.toLowerCase();
    this.#lines = new RegExp(`^${name.replaceAll('-', '[-_]')}[ \\t]*:[^\\r\\n]*\\r\\n`, 'gim');
  }

  /** True for this name, in lower case, and for one that CGI servers take for it (core/header-names.ts). */
  isNamed(lower: string): boolean {
    return lower.length === this.lower.length && lower.replaceAll('_', '-') === this.lower;
  }

  /** A head without the lines of this header. */
  withoutLines(head: string): string {
    return head.replace(this.#lines, '');
  }

  /** The value for a subject: characters outside of ASCII are escaped as in RFC 2253 2.4. */
  valueOf(subject: string): string {
    return subject.replace(/[^ -~]+/g, escaped);
  }
}
