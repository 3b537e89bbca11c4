// The list of Logs that a request was opened from, and where the request stands in it.
// Invariant: the times of a list are fixed when it is read first, so that going to and fro ends where it began.
import { get, type ApiError } from '../../api/client.ts';
import { rangeOf } from '../../parts/time-range.ts';
import { parse, print, type Place } from '../../routes.ts';
import { directionOf, filterQuery } from '../logs/question.ts';
import { ListWalk, type ReadPage, type Standing } from './list-walk.ts';

/** The address of Logs that a request came from; `undefined` for other texts. */
export function listPlace(from: string | undefined): Place | undefined {
  if (from === undefined || from === '') return undefined;
  const place = parse(from.startsWith('/') ? from : `/ui/logs${from.startsWith('?') ? '' : '?'}${from}`);
  if (place.route.page !== 'logs') return undefined;
  // What is open in the list does not belong to its question.
  const { open: _open, ctx: _ctx, live: _live, ...params } = place.params;
  return { route: place.route, params };
}

const readPage: ReadPage = (query) => get('/v1/logs', { query });

/** A request that is not found may be newer than the reading; then it is read anew, but not more often than this. */
const AGAIN_MS = 5000;

function newWalk({ params }: Place): ListWalk {
  const nowMs = Date.now();
  const { fromMs, toMs } = rangeOf(params, nowMs);
  const times = { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() };
  return new ListWalk({ ...filterQuery(params), ...times, direction: directionOf(params) }, nowMs, readPage);
}

const walks = new Map<string, ListWalk>();
const MAX_WALKS = 4;

/** Where a request stands in a list. Lists that were read are kept while the page is open. */
export async function standingIn(list: Place, id: string): Promise<Standing | ApiError | undefined> {
  const key = print(list);
  const known = walks.get(key);
  const found = await known?.find(id);
  if (known !== undefined && (found !== undefined || Date.now() - known.beganMs < AGAIN_MS)) return found;
  const walk = newWalk(list);
  walks.delete(key);
  walks.set(key, walk);
  if (walks.size > MAX_WALKS) walks.delete(walks.keys().next().value!);
  return walk.find(id);
}

/** What a list is of, in a few words: its query, or its times. */
export const listName = ({ params }: Place): string => params['q'] ?? 'Logs';
