// Finds e-mail addresses, and international bank account numbers (IBAN).
// Invariant: it takes time linear in the text. An IBAN that is found has the length of its country and the right remainder.
import type { OnFound } from './mask-rules.ts';

/** RFC 5321: 64 octets before the `@`. A domain has at most 255. */
const LONGEST_LOCAL = 64;
const LONGEST_DOMAIN = 255;
const LOCAL = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u0080-\uffff-]/;
/** Labels and a last one of letters. */
const DOMAIN =
  /^(?:[A-Za-z0-9\u0080-\uffff][A-Za-z0-9\u0080-\uffff-]{0,62}\.){1,8}[A-Za-z\u0080-\uffff][A-Za-z0-9\u0080-\uffff-]{1,62}/;

/** `a@example.com` */
export function findEmails(text: string, found: OnFound): void {
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < LONGEST_LOCAL && LOCAL.test(text[start - 1]!)) start--;
    // In `?to=a@example.com` and `a/b@example.com` the address begins behind the separator.
    start += 1 + Math.max(-1, ...['=', '/', '&', '?'].map((one) => text.slice(start, at).lastIndexOf(one)));
    while (start < at && /[.']/.test(text[start]!)) start++;
    const from = at + 1;
    const domain = start === at ? null : DOMAIN.exec(text.slice(from, from + LONGEST_DOMAIN));
    if (domain !== null) found('email', start, from + domain[0].length);
  }
}

/** Length of an IBAN by country (ISO 13616 registry). */
const LENGTHS = new Map(
  Object.entries({
    AD: 24,
    AE: 23,
    AL: 28,
    AT: 20,
    AZ: 28,
    BA: 20,
    BE: 16,
    BG: 22,
    BH: 22,
    BI: 27,
    BR: 29,
    BY: 28,
    CH: 21,
    CR: 22,
    CY: 28,
    CZ: 24,
    DE: 22,
    DJ: 27,
    DK: 18,
    DO: 28,
    EE: 20,
    EG: 29,
    ES: 24,
    FI: 18,
    FK: 18,
    FO: 18,
    FR: 27,
    GB: 22,
    GE: 22,
    GI: 23,
    GL: 18,
    GR: 27,
    GT: 28,
    HN: 28,
    HR: 21,
    HU: 28,
    IE: 22,
    IL: 23,
    IQ: 23,
    IS: 26,
    IT: 27,
    JO: 30,
    KW: 30,
    KZ: 20,
    LB: 28,
    LC: 32,
    LI: 21,
    LT: 20,
    LU: 20,
    LV: 21,
    LY: 25,
    MC: 27,
    MD: 24,
    ME: 22,
    MK: 19,
    MN: 20,
    MR: 27,
    MT: 31,
    MU: 30,
    NI: 28,
    NL: 18,
    NO: 15,
    OM: 23,
    PK: 24,
    PL: 28,
    PS: 29,
    PT: 25,
    QA: 29,
    RO: 24,
    RS: 22,
    RU: 33,
    SA: 24,
    SC: 31,
    SD: 18,
    SE: 24,
    SI: 19,
    SK: 24,
    SM: 27,
    SO: 23,
    ST: 25,
    SV: 28,
    TL: 23,
    TN: 24,
    TR: 26,
    UA: 29,
    VA: 22,
    VG: 24,
    XK: 20,
    YE: 30,
  }),
);

const IBAN_START = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])/g;

/** `DE89 3704 0044 0532 0130 00`, with or without spaces. */
export function findIbans(text: string, found: OnFound): void {
  for (const { 0: match, index } of text.matchAll(IBAN_START)) {
    const length = LENGTHS.get(match.slice(0, 2).toUpperCase());
    if (length === undefined) continue;
    let iban = '';
    let end = index;
    while (iban.length < length && end < text.length) {
      const character = text[end]!;
      if (/[A-Za-z0-9]/.test(character)) iban += character;
      // One space or dash between characters.
      else if (!/[ \-\u00a0\u2007\u2009-\u2013\u202f]/.test(character) || !/[A-Za-z0-9]/.test(text[end - 1]!))
        break;
      end++;
    }
    const isWhole = iban.length === length && !/[A-Za-z0-9]/.test(text[end] ?? '');
    if (isWhole && isIban(iban.toUpperCase())) found('iban', index, end);
  }
}

/** ISO/IEC 7064 MOD 97-10. */
function isIban(iban: string): boolean {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = parseInt(character, 36);
    rest = (value > 9 ? 100 * rest + value : 10 * rest + value) % 97;
  }
  return rest === 1;
}
