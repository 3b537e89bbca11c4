// Calls of Braintrust's routes, with JSON bodies.
import { expect } from 'vitest';
import { call, type CallOptions, type ClientResponse } from './client.ts';
import type { AdminServer } from './log-api.ts';

/** A row, a project or another object of the API. */
export type ApiObject = Record<string, unknown>;

/** Sends a request. A body that is not a text is sent as JSON. */
export function send(
  { url }: AdminServer,
  method: string,
  path: string,
  body?: unknown,
  { headers = {}, ...options }: CallOptions = {},
): Promise<ClientResponse> {
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
  return call(url, path, {
    method,
    ...(text === undefined ? {} : { body: text }),
    headers: {
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      ...(headers as Record<string, string>),
    },
    ...options,
  });
}

/** Sends a request that must succeed, and returns its JSON. */
export async function sent(
  admin: AdminServer,
  method: string,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<ApiObject> {
  const { status, text } = await send(admin, method, path, body, options);
  expect(status, text).toBe(200);
  return JSON.parse(text) as ApiObject;
}

/** Sends a request that must fail, and checks that its text is where each client looks for it. Returns it. */
export async function expectRefused(
  admin: AdminServer,
  status: number,
  method: string,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<string> {
  const answer = await send(admin, method, path, body, options);
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json');
  const error = JSON.parse(answer.text) as {
    message: string;
    Message: string;
    Code: string;
    error: ApiObject;
  };
  expect(error.Message).toBe(error.message);
  expect(error.error['message']).toBe(error.message);
  expect(error.Code).toMatch(/^[A-Z]\w+Error$/);
  return error.message;
}

/** Id of the project of this name, registered as the SDK does. */
export async function projectId(admin: AdminServer, name: string): Promise<string> {
  const { project } = await sent(admin, 'POST', '/api/project/register', { project_name: name });
  return (project as { id: string }).id;
}

/** All rows of a project, read in pages of `limit` traces. */
export async function fetchAll(
  admin: AdminServer,
  project: string,
  query: ApiObject = {},
): Promise<ApiObject[]> {
  const rows: ApiObject[] = [];
  for (let cursor = query['cursor'], pages = 0; ; pages++) {
    expect(pages).toBeLessThan(1000);
    const page = await sent(admin, 'POST', `/v1/project_logs/${project}/fetch`, { ...query, cursor });
    rows.push(...(page['events'] as ApiObject[]));
    if (page['cursor'] === null) return rows;
    cursor = page['cursor'];
  }
}

/** Rows by their `id`. Checks that each id is there once. */
export function byId(rows: readonly ApiObject[]): Record<string, ApiObject> {
  const map = Object.fromEntries(rows.map((row) => [row['id'], row]));
  expect(Object.keys(map)).toHaveLength(rows.length);
  return map;
}
