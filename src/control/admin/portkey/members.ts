// Bodies of clients of Portkey: JSON of limited depth, with one object, a list of them, or an object with the keys
// "0", "1", …, which is how their SDK for Node sends a list.
// Invariant: no body is parsed that is nested deeper than MAX_DEPTH or has more than MAX_PARTS, whatever it contains.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject } from '../../../protocol/llm/json-values.ts';
import { fail } from '../endpoint.ts';
import { bytesBody } from '../read-body.ts';

/** Lists and objects within each other. */
const MAX_DEPTH = 100;
/** Lists, objects and names of one body, since each takes far more memory and time than its bytes. */
const MAX_PARTS = 500_000;
/** Members of one body, since they are stored together or not at all. */
export const MAX_MEMBERS = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** What is wrong with the shape of JSON text, as the end of a sentence; `undefined`: nothing. */
function shapeProblem(bytes: Uint8Array): string | undefined {
  let depth = 0;
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
    }
    // The bits of `{` and `[`, and of `}` and `]`, differ in one.
    else if ((byte & 0xdf) === 0x5b) {
      if (++depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`;
      count++;
    } else if (byte === COLON) count++;
    else if ((byte & 0xdf) === 0x5d) depth--;
  }
  return count > MAX_PARTS ? `has more than ${MAX_PARTS} lists, objects and names` : undefined;
}

/** Parses JSON of limited depth and number of parts. `problem`: what is wrong, as the end of a sentence. */
export function parseBody(bytes: Buffer): { readonly value: unknown } | { readonly problem: string } {
  const problem = shapeProblem(bytes);
  if (problem !== undefined) return { problem };
  try {
    return { value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: `is not valid JSON: ${error.message}` };
  }
}

/**
 * Reads a JSON body of limited depth, whatever its Content-Type; an empty body counts as `{}`. Sends an error response and
 * returns `undefined` if it is not valid.
 */
export async function valueBody(
  req: IncomingMessage,
  res: ServerResponse,
  maxBytes: number,
): Promise<{ readonly value: unknown } | undefined> {
  const bytes = await bytesBody(req, res, maxBytes);
  if (bytes === undefined) return undefined;
  const parsed = bytes.length === 0 ? { value: {} } : parseBody(bytes);
  if ('value' in parsed) return parsed;
  fail(req, res, 'bad_request', '', { text: `The body ${parsed.problem}` });
  return undefined;
}

const isIndexed = (names: readonly string[]): boolean =>
  names.length > 0 && names.every((name, i) => name === String(i));

/** One member of a body, and its name for errors: empty if the body is that member. */
interface BodyMember {
  readonly name: string;
  readonly value: unknown;
}

/** The members of a body. `kind`: what a member is called in errors, such as `logs`. */
export function membersOf(value: unknown, kind: string): readonly BodyMember[] {
  const list = Array.isArray(value)
    ? (value as unknown[])
    : isObject(value) && isIndexed(Object.keys(value))
      ? Object.values(value)
      : undefined;
  return list === undefined
    ? [{ name: '', value }]
    : list.map((one, i) => ({ name: `${kind}[${i}]`, value: one }));
}
