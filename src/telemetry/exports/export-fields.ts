// The fields of a record that export jobs write, and how their values are read from the rows of a scan.
// Invariant: a field without a value is `null`, never left out.
import type { KeyValue } from '../logs/logs.ts';
import { JsonText, jsonTextOf, objectIn, type Cell } from './cell.ts';
import { providerOf } from './provider.ts';
import { Timestamps } from './timestamps.ts';

export const EXPORT_FIELDS = [
  /** The request id; of a record without one, its sequence number. */
  'id',
  /** As the client wrote it, if that is another text than the one in the column. */
  'trace_id',
  /** ISO 8601 in UTC, with milliseconds. */
  'created_at',
  /** Bodies: JSON as it is, other text as a text. */
  'request',
  'response',
  'provider',
  /** That of the response, or else that of the request. */
  'model',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  /** In hundredths of the currency. */
  'cost',
  'cost_currency',
  /** Milliseconds. */
  'response_time',
  'status',
  /** 1 or 0. */
  'is_success',
  'config',
  'prompt_slug',
  /** An object: the attribute `metadata`, and over it the metadata of annotations, and their scores as `scores`. */
  'metadata',
  'request_url',
  'mode',
] as const;
export type ExportField = (typeof EXPORT_FIELDS)[number];

/** What a column of a typed format has. */
export type CellKind = 'text' | 'json' | 'integer' | 'number' | 'time';

/** The texts of the bodies of a row. */
export interface RowBodies {
  readonly request: string | undefined;
  readonly response: string | undefined;
}

/** The row that is read now. */
export interface ScannedRow {
  seq: number;
  timeMs: number;
  /** By the index of their names. */
  values: readonly KeyValue[];
  /** Reads the bodies, once for each row. */
  readonly bodies: RowBodies;
}

type ReadCell = (row: ScannedRow) => Cell;

interface FieldReader {
  readonly kind: CellKind;
  /** `at`: the index of the value of a name in the row. */
  readonly make: (at: (name: string) => number) => ReadCell;
}

const textOf = (value: KeyValue | undefined): string | null => (typeof value === 'string' ? value : null);
const numberOf = (value: KeyValue | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** A field that is the text, or the number, of one name. */
const text = (name: string): FieldReader => ({
  kind: 'text',
  make: (at) => {
    const index = at(name);
    return ({ values }) => textOf(values[index]);
  },
});
const integerOf = (value: KeyValue | undefined): number | null =>
  Number.isSafeInteger(value) ? (value as number) : null;
const integer = (name: string): FieldReader => ({
  kind: 'integer',
  make: (at) => {
    const index = at(name);
    return ({ values }) => integerOf(values[index]);
  },
});

/** Costs are stored in picounits, so this is exact. */
const PICOS = 1e12;
const PICOS_OF_CENT = 1e10;

/** Hundredths of a stored cost. */
export function centsOf(cost: number): number {
  const picos = Math.round(cost * PICOS);
  return Number.isSafeInteger(picos) ? picos / PICOS_OF_CENT : Number((cost * 100).toPrecision(15));
}

const ERROR = 17;
const FIRST_ERROR_STATUS = 400;

const isSuccess = (kind: KeyValue, status: KeyValue, severity: KeyValue): boolean =>
  (numberOf(severity) ?? 0) < ERROR &&
  (kind !== 'request' || (numberOf(status) !== null && (status as number) < FIRST_ERROR_STATUS));

const FIELDS: Readonly<Record<ExportField, FieldReader>> = {
  id: {
    kind: 'text',
    make: (at) => {
      const id = at('requestId');
      return ({ values, seq }) => textOf(values[id]) ?? String(seq);
    },
  },
  trace_id: {
    kind: 'text',
    make: (at) => {
      const [written, stored] = [at('portkey_trace_id'), at('traceId')];
      return ({ values }) => textOf(values[written]) ?? textOf(values[stored]);
    },
  },
  created_at: {
    kind: 'time',
    make: () => {
      const times = new Timestamps();
      return ({ timeMs }) => times.format(timeMs);
    },
  },
  request: {
    kind: 'json',
    make:
      () =>
      ({ bodies }) =>
        bodyCell(bodies.request),
  },
  response: {
    kind: 'json',
    make:
      () =>
      ({ bodies }) =>
        bodyCell(bodies.response),
  },
  provider: {
    kind: 'text',
    make: (at) => {
      const [provider, path] = [at('provider'), at('path')];
      return ({ values }) => textOf(values[provider]) ?? providerOf(textOf(values[path]) ?? '');
    },
  },
  model: {
    kind: 'text',
    make: (at) => {
      const [ofResponse, ofRequest] = [at('response_model'), at('model')];
      return ({ values }) => textOf(values[ofResponse]) ?? textOf(values[ofRequest]);
    },
  },
  input_tokens: integer('input_tokens'),
  output_tokens: integer('output_tokens'),
  total_tokens: {
    kind: 'integer',
    make: (at) => {
      const [total, input, output] = [at('total_tokens'), at('input_tokens'), at('output_tokens')];
      return ({ values }) => {
        const value = integerOf(values[total]);
        if (value !== null) return value;
        const [ofInput, ofOutput] = [integerOf(values[input]), integerOf(values[output])];
        return ofInput === null || ofOutput === null ? null : ofInput + ofOutput;
      };
    },
  },
  cost: {
    kind: 'number',
    make: (at) => {
      const index = at('cost');
      return ({ values }) => {
        const cost = numberOf(values[index]);
        return cost === null ? null : centsOf(cost);
      };
    },
  },
  cost_currency: text('currency'),
  response_time: {
    kind: 'number',
    make: (at) => {
      const index = at('durationNs');
      return ({ values }) => {
        const ns = numberOf(values[index]);
        return ns === null ? null : Math.round(ns / 1000) / 1000;
      };
    },
  },
  status: integer('status'),
  is_success: {
    kind: 'integer',
    make: (at) => {
      const [kind, status, severity] = [at('kind'), at('status'), at('severity')];
      return ({ values }) => (isSuccess(values[kind]!, values[status]!, values[severity]!) ? 1 : 0);
    },
  },
  config: text('config'),
  prompt_slug: text('prompt_slug'),
  metadata: {
    kind: 'json',
    make: (at) => {
      const [own, annotated, scores] = [at('metadata'), at('annotations.metadata'), at('annotations.scores')];
      return ({ values }) =>
        metadataCell(textOf(values[own]), textOf(values[annotated]), textOf(values[scores]));
    },
  },
  request_url: {
    kind: 'text',
    make: (at) => {
      const [url, path] = [at('url'), at('path')];
      return ({ values }) => textOf(values[url]) ?? textOf(values[path]);
    },
  },
  mode: text('mode'),
};

function bodyCell(body: string | undefined): Cell {
  return body === undefined ? null : (jsonTextOf(body) ?? body);
}

/** `own`, `annotated`: JSON texts of objects; other values count as none. */
function metadataCell(own: string | null, annotated: string | null, scored: string | null): Cell {
  const [ofRecord, ofAnnotations, scores] = [objectIn(own), objectIn(annotated), objectIn(scored)];
  if (ofAnnotations === undefined && scores === undefined)
    return ofRecord === undefined ? null : new JsonText(own!);
  return new JsonText(JSON.stringify({ ...ofRecord, ...ofAnnotations, ...(scores && { scores }) }));
}

/** The columns of a job as they are read from the rows of a scan. */
export class RowColumns {
  /** Names whose values are read. */
  readonly names: readonly string[];
  readonly usesBodies: boolean;
  readonly kinds: readonly CellKind[];
  readonly #readers: readonly ReadCell[];

  constructor(fields: readonly ExportField[]) {
    const names: string[] = [];
    const at = (name: string): number => {
      if (!names.includes(name)) names.push(name);
      return names.indexOf(name);
    };
    this.#readers = fields.map((field) => FIELDS[field].make(at));
    this.names = names;
    this.kinds = fields.map((field) => FIELDS[field].kind);
    this.usesBodies = fields.includes('request') || fields.includes('response');
  }

  /** Reads a row into `cells`, in the order of the fields. */
  read(row: ScannedRow, cells: Cell[]): void {
    for (let i = 0; i < this.#readers.length; i++) cells[i] = this.#readers[i]!(row);
  }
}
