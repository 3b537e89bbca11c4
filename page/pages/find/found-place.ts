// Where the page shows what an id names.
// Invariant: pure; each kind of answer has an address.
import type { FoundJson, FoundKind } from '../../../src/control/admin/records/find-json.ts';
import { addressOf } from '../../routes.ts';

/** Around a record that is opened in Logs, in milliseconds. */
const AROUND_MS = 60_000;

export const KIND_NAMES: Readonly<Record<FoundKind, string>> = {
  request: 'Request',
  trace: 'Trace',
  span: 'Span',
  record: 'Record',
  async: 'Async request',
  export: 'Export',
};

export function addressOfFound(found: FoundJson): string {
  const { kind, id, request_id: request, trace_id: trace, span_id: span, place } = found;
  switch (kind) {
    case 'request':
    case 'async':
      return addressOf({ page: 'request', id: request ?? id });
    case 'trace':
      return addressOf({ page: 'trace', id: trace ?? id });
    case 'span': {
      const params = { span: span ?? id };
      return trace === undefined
        ? addressOf({ page: 'request', id: request ?? id }, params)
        : addressOf({ page: 'trace', id: trace }, params);
    }
    case 'record': {
      const ms = Date.parse(found.timestamp);
      return addressOf(
        { page: 'logs' },
        {
          start: new Date(ms - AROUND_MS).toISOString(),
          end: new Date(ms + AROUND_MS).toISOString(),
          open: place ?? id,
        },
      );
    }
    case 'export':
      return addressOf({ page: 'exports', id });
  }
}
