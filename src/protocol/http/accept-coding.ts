// Reads Accept-Encoding (RFC 9110 12.5.3).
// Invariant: a coding that the header does not name is not accepted, since `identity` always is.

/** Codings by the names that clients have for them. */
const NAMES = { gzip: ['gzip', 'x-gzip'], br: ['br'] } as const;

/** True if a value of Accept-Encoding allows a coding: it names it, with a weight that is not 0. */
export const acceptsCoding = (header: string | string[] | undefined, coding: keyof typeof NAMES): boolean =>
  String(header ?? '')
    .toLowerCase()
    .split(',')
    .some((part) => {
      const [name = '', ...params] = part.split(';').map((one) => one.trim());
      const names: readonly string[] = NAMES[coding];
      return names.includes(name) && !params.some((param) => /^q=0(?:\.0*)?$/.test(param));
    });

export const acceptsGzip = (header: string | string[] | undefined): boolean => acceptsCoding(header, 'gzip');
