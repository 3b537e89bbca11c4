// Posts log lines and searches records over the admin API.
import { expect } from 'vitest';
import { call } from './client.ts';

/** An admin server, in this process or another. */
export interface AdminServer {
  readonly url: string;
}

export const HOUR_AGO = Date.now() - 3_600_000;
export const ns = (ms: number, rest = 0): string => String(BigInt(ms) * 1_000_000n + BigInt(rest));

export type Log = Record<string, unknown> & { message: string; seq: number };

export interface SearchResult {
  logs: Log[];
  cursor?: string;
  is_partial?: boolean;
}

export async function post(
  admin: AdminServer,
  lines: readonly object[] | string,
  query = 'replica=abc12&deployment=dep1&environment=production',
): Promise<void> {
  const body = typeof lines === 'string' ? lines : lines.map((line) => JSON.stringify(line)).join('\n');
  const { status, text } = await call(admin.url, `/v1/logs?${query}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(status, text).toBe(200);
}

export async function search(admin: AdminServer, query: Record<string, string>): Promise<SearchResult> {
  const { status, text } = await call(admin.url, `/v1/logs?${new URLSearchParams(query).toString()}`);
  expect(status, text).toBe(200);
  return JSON.parse(text) as SearchResult;
}

export const messages = ({ logs }: SearchResult): string[] => logs.map(({ message }) => message);
