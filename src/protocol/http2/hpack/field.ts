// A header field: name, value, and what weir needs to know about them. Immutable, so that many header blocks share it.
// Sources: RFC 9113 8.2 (fields), 8.2.2 (fields for one connection), 8.3 (pseudo-headers); RFC 7541 7.1.3 (never indexed).
import {
  ATTEMPTS_HEADER_LOWER,
  FORWARDED_FOR_HEADER_LOWER,
  FORWARDED_HOST_HEADER_LOWER,
  FORWARDED_PROTO_HEADER_LOWER,
  ID_HEADER_LOWER,
  REQUEST_ID_HEADER_LOWER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../../core/header-names.ts';
import { FIELD_OVERHEAD } from './dynamic-table.ts';
import { MAX_STATIC_VALUE, STATIC_NAMES, type StaticName } from './static-table.ts';

/** Kinds of fields by their name. A field with another name has the kind 0. */
export const FIELD_KIND = {
  ':method': 1,
  ':path': 2,
  ':scheme': 3,
  ':authority': 4,
  ':protocol': 5,
  ':status': 6,
  'content-type': 7,
  'content-length': 8,
  'content-encoding': 9,
  host: 10,
  te: 11,
  cookie: 12,
  expect: 13,
  trailer: 14,
  authorization: 15,
  'baseten-authorization': 16,
  'grpc-timeout': 17,
  'grpc-status': 18,
  'grpc-message': 19,
  [TRACE_HEADER]: 20,
  [TRACESTATE_HEADER]: 21,
  [ID_HEADER_LOWER]: 22,
  [REQUEST_ID_HEADER_LOWER]: 23,
  [ATTEMPTS_HEADER_LOWER]: 24,
  [FORWARDED_FOR_HEADER_LOWER]: 25,
  [FORWARDED_PROTO_HEADER_LOWER]: 26,
  [FORWARDED_HOST_HEADER_LOWER]: 27,
  forwarded: 28,
  connection: 29,
  'keep-alive': 30,
  'proxy-connection': 31,
  'transfer-encoding': 32,
  upgrade: 33,
} as const;

const METHOD = FIELD_KIND[':method'];
const PATH = FIELD_KIND[':path'];
const SCHEME = FIELD_KIND[':scheme'];
const AUTHORITY = FIELD_KIND[':authority'];
const STATUS = FIELD_KIND[':status'];
const TE = FIELD_KIND.te;
/** Kinds up to this one, but 0, are pseudo-headers. */
export const LAST_PSEUDO_KIND = STATUS;
/** Kinds from this one on are fields for one connection (RFC 9113 8.2.2). */
const FIRST_CONNECTION_KIND = FIELD_KIND.connection;

/** Secrets. Their values never get into a table that other requests share, since their size could then give them away. */
const SECRETS = new Set([
  'authorization',
  'proxy-authorization',
  'baseten-authorization',
  'cookie',
  'set-cookie',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'x-portkey-api-key',
]);

/** What is known of a name. */
interface KnownName {
  readonly kind: number;
  readonly static: StaticName | undefined;
  readonly isSecret: boolean;
}
const UNKNOWN: KnownName = { kind: 0, static: undefined, isSecret: false };
const kinds = new Map<string, number>(Object.entries(FIELD_KIND));
const knownNames = new Map<string, KnownName>(
  [...kinds.keys(), ...STATIC_NAMES.keys(), ...SECRETS].map((name) => [
    name,
    { kind: kinds.get(name) ?? 0, static: STATIC_NAMES.get(name), isSecret: SECRETS.has(name) },
  ]),
);

/** What is known of a name that tables have; else facts of any other name. */
const factsOf = (name: string): KnownName => knownNames.get(name) ?? UNKNOWN;

/** Index of the first field with the name in the static table; 0 if there is none. */
export const staticNameIndex = (name: string): number => factsOf(name).static?.index ?? 0;

/** True for the names of fields whose values are secrets. */
export const isSecretName = (name: string): boolean => factsOf(name).isSecret;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A token in lower case. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Control characters but a tab, and characters that are no bytes. */
// oxlint-disable-next-line no-control-regex
const NOT_IN_VALUES = /[\0-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
const SP = 32;
const TAB = 9;

export class Field {
  /** In lower case if the field is valid. */
  readonly name: string;
  /** One character per byte. */
  readonly value: string;
  /** FIELD_KIND of the name; 0: none. */
  readonly kind: number;
  /** Size in tables and header lists, in bytes (RFC 7541 4.1). The encoder needs at most as many for the field. */
  readonly size: number;
  /** Index in the static table of a field with this name, and of this field; 0 if there is none. */
  readonly nameIndex: number;
  readonly index: number;
  /** The value is a secret, by its name or by its sender, and gets into no table on its way (RFC 7541 7.1.3). */
  readonly isNeverIndexed: boolean;
  /** Why a message with this field is malformed (RFC 9113 8.1.1); empty if it is not. */
  readonly problem: string;

  /** `isNeverIndexed`: the sender asked for it. */
  constructor(name: string, value: string, isNeverIndexed = false) {
    const known = factsOf(name);
    this.name = name;
    this.value = value;
    this.kind = known.kind;
    this.size = name.length + value.length + FIELD_OVERHEAD;
    this.nameIndex = known.static?.index ?? 0;
    // No look-up of a long value, since V8 would hash it.
    this.index = value.length > MAX_STATIC_VALUE ? 0 : (known.static?.values.get(value) ?? 0);
    this.isNeverIndexed = isNeverIndexed || known.isSecret;
    this.problem = problemOf(name, value, known);
  }

  get isValid(): boolean {
    return this.problem === '';
  }
}

/** A name in an error text. */
const shown = (name: string): string => JSON.stringify(name.slice(0, 64));

function problemOf(name: string, value: string, known: KnownName): string {
  const { kind } = known;
  if (known === UNKNOWN && !NAME.test(name))
    return name.startsWith(':')
      ? `unknown pseudo-header ${shown(name)}`
      : `field name ${shown(name)} is not a token in lower case`;
  if (kind >= FIRST_CONNECTION_KIND) return `${name} is not allowed in HTTP/2`;
  if (!isFieldValue(value)) return `the value of ${name} has characters that are not allowed`;
  if (kind === 0 || kind > TE) return '';
  return valueProblem(kind, value);
}

/** RFC 9113 8.2.1: the ends are neither a space nor a tab. */
function isFieldValue(value: string): boolean {
  if (value === '') return true;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  return first !== SP && first !== TAB && last !== SP && last !== TAB && !NOT_IN_VALUES.test(value);
}

/** What is wrong with the value of a field whose syntax matters to weir. */
function valueProblem(kind: number, value: string): string {
  switch (kind) {
    case METHOD:
      return TOKEN.test(value) ? '' : ':method is not a token';
    case PATH:
      return value === '*' || /^\/[^ \t]*$/.test(value) ? '' : ':path is not a path';
    case SCHEME:
      return /^[a-z][a-z0-9+.-]*$/i.test(value) ? '' : ':scheme is not a scheme';
    case AUTHORITY:
      return /[\s@/]/.test(value) ? ':authority is not a host with an optional port' : '';
    case STATUS:
      // RFC 9113 8.6: there is no 101.
      return /^[1-9]\d\d$/.test(value) && value !== '101' ? '' : ':status is not a status of HTTP/2';
    case TE:
      return value === 'trailers' || value.toLowerCase() === 'trailers' ? '' : 'te is not "trailers"';
    default:
      return '';
  }
}
