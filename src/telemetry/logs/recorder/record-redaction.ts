// How the texts of records of requests are redacted.
// Invariant: before the store is open nothing is redacted, since nothing is stored.

/** How texts of records are redacted. */
export interface RecordRedaction {
  redact(text: string): string;
  /** For a part of a body of a request with this path. */
  redactOfBody(text: string, path: string): string;
  /** Attributes as JSON text, redacted and limited; empty if there are none. */
  attributesText(attributes: Readonly<Record<string, unknown>>): string;
}

export const NO_REDACTION: RecordRedaction = {
  redact: (text) => text,
  redactOfBody: (text) => text,
  attributesText: textOfAttributes,
};

/** JSON text of attributes; empty if there are none. */
export function textOfAttributes(attributes: object): string {
  const text = JSON.stringify(attributes);
  return text === '{}' ? '' : text;
}
