// The fields of a connection as the form has them: what the connection is, and what was typed over it.
// Invariant: only what was typed is sent, so that a change of another client stays; a header value is never read from weir.
import type { ConnectionAnswer } from '../../../src/control/admin/answers/settings-answers.ts';

export interface ConnectionFields {
  readonly name: string;
  readonly endpoint_url: string;
  readonly signal: 'logs' | 'traces';
  readonly header_name: string;
  readonly query: string;
  readonly start_from: string;
  readonly encoding: string;
  readonly compression: 'gzip' | 'none';
}

/** What was typed. `header_value`: absent, it stays as it is. */
export type ConnectionEdits = Partial<ConnectionFields & { readonly header_value: string }>;

const NEW: ConnectionFields = {
  name: '',
  endpoint_url: '',
  signal: 'logs',
  header_name: '',
  query: '',
  start_from: 'now',
  encoding: 'protobuf',
  compression: 'gzip',
};

const fieldsOf = (one: ConnectionAnswer): ConnectionFields => ({
  name: one.name,
  endpoint_url: one.endpoint_url,
  signal: one.signal,
  header_name: one.header_name,
  query: one.query,
  start_from: one.start_from,
  encoding: one.encoding,
  compression: one.compression,
});

export const shownFields = (
  old: ConnectionAnswer | undefined,
  { header_value: _secret, ...edits }: ConnectionEdits,
): ConnectionFields => ({ ...(old === undefined ? NEW : fieldsOf(old)), ...edits });

/** The fields to send: what was typed and differs from what the connection has now. */
export function changesOf(
  old: ConnectionAnswer | undefined,
  edits: ConnectionEdits,
): Readonly<Record<string, unknown>> {
  const before: Readonly<Record<string, unknown>> = { ...(old === undefined ? NEW : fieldsOf(old)) };
  const changes = Object.fromEntries(
    Object.entries(edits)
      .map(([name, value]) => [name, name === 'header_value' ? value : value.trim()] as const)
      .filter(([name, value]) => value !== before[name]),
  );
  // Without a header there is no value.
  return changes['header_name'] === '' ? { ...changes, header_value: '' } : changes;
}

const originOf = (url: string): string => URL.parse(url)?.origin ?? '';

/**
 * True if the connection has a header value that stays: one of the same receiver and header. weir asks for the value anew
 * when one of them is another, since it would send a secret to a place that it was not given for.
 */
export const keepsHeaderValue = (old: ConnectionAnswer | undefined, fields: ConnectionFields): boolean =>
  old !== undefined &&
  old.header_name !== '' &&
  fields.header_name === old.header_name &&
  originOf(fields.endpoint_url) === originOf(old.endpoint_url);
