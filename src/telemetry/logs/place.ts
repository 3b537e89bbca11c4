// Places in a log store: of a record, or of a reader that continues there.
// Invariant: only the store that made a place reads it. All others keep it, send it to clients and compare it for
// equality, since the places of another store may have another form.
import { LATEST_NS } from '../../core/time.ts';

declare const isPlace: unique symbol;

/** Text without white space, for example `4711`. */
export type Place = string & { readonly [isPlace]: true };

/** A place in the order of time, where one page of records ends and the next one begins. */
export interface TimePlace {
  readonly timeNs: bigint;
  readonly place: Place;
}

/** Formats a place for cursors of clients. */
export const formatTimePlace = ({ timeNs, place }: TimePlace): string => `${timeNs}-${place}`;

/** Parses the result of `formatTimePlace`. `undefined` for other text. `readPlace`: of the store. */
export function parseTimePlace(
  text: string,
  readPlace: (text: string) => Place | undefined,
): TimePlace | undefined {
  const [, time, rest] = /^(\d{1,19})-(\S+)$/.exec(text) ?? [];
  if (time === undefined || BigInt(time) > LATEST_NS) return undefined;
  const place = readPlace(rest!);
  return place && { timeNs: BigInt(time), place };
}

/** Place in the store of one weir: the sequence number. */
export const placeOfSeq = (seq: number): Place => String(seq) as Place;

/** Sequence number of a place that `placeOfSeq` or `readLocalPlace` returned. */
export const seqOfPlace = (place: Place): number => Number(place);

/** Reads the text of a place in the store of one weir. `undefined` for other text. */
export const readLocalPlace = (text: string): Place | undefined =>
  /^\d{1,15}$/.test(text) ? placeOfSeq(Number(text)) : undefined;
