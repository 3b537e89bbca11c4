// Finds the export that a request of Portkey's API is about, and who may see it.
// Invariant: a key that is not an admin's sees the exports that it has created, and no others.
// Source: docs/contracts/portkey.md 5.1.
import type { IncomingMessage } from 'node:http';
import type { KeyStore } from '../../../core/keys/key-store.ts';
import type { JsonObject } from '../../../protocol/llm/json-values.ts';
import type { ExportJob, Exports } from '../../../telemetry/exports/exports.ts';
import { callerKey, isAdmin } from '../auth.ts';

/** Who makes a request. */
export interface ExportCaller {
  /** Empty without a key, for requests from this machine. */
  readonly owner: string;
  readonly seesAll: boolean;
}

export const callerOf = (keys: KeyStore, req: IncomingMessage): ExportCaller => ({
  owner: keys.hasAdminKey ? (callerKey(keys, req)?.id ?? '') : '',
  seesAll: isAdmin(keys, req),
});

/** What the SDK for Node sends in place of an id if it was given a text and not an object. */
const LEFT_OUT = 'undefined';
const ID_LENGTH = 36;

/** Text for a client whose request has no id. */
const ID_MISSING = 'export id is missing: portkey-ai takes an object, e.g. retrieve({ exportId })';

/** The id in a body: one character a key, as the SDK sends a text, or `export_id`. */
function idOfBody(body: JsonObject): string | undefined {
  const characters = Array.from({ length: ID_LENGTH }, (_, i) => body[String(i)]);
  if (characters.every((one) => typeof one === 'string' && one.length === 1)) return characters.join('');
  const id = body['export_id'] ?? body['exportId'];
  return typeof id === 'string' ? id : undefined;
}

/** The export with an id; if the id was left out, that of the body, or the one that the caller created or started last. */
export function findExport(
  exports: Exports,
  { owner, seesAll }: ExportCaller,
  id: string,
  body: JsonObject = {},
): ExportJob | undefined {
  const inBody = id === LEFT_OUT ? idOfBody(body) : undefined;
  const isLeftOut = id === LEFT_OUT && inBody === undefined;
  const job = isLeftOut ? exports.latestOf(owner) : exports.get(inBody ?? id);
  return job !== undefined && (seesAll || job.owner === owner) ? job : undefined;
}

/** What a client is told of an id that is none of its exports. */
export const unknownExport = (id: string): string =>
  id === LEFT_OUT ? ID_MISSING : `export ${id.slice(0, 80)} was not found`;
