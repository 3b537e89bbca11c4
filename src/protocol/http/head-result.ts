// Results of parsing the head of an HTTP/1.1 message.

/** The bytes end before the head does. */
export const INCOMPLETE = 0;
/** The head is parsed. */
export const READY = 1;
/** Requests only: the full lane must parse the head. */
export const DECLINED = 2;
/** Responses only: the head is not valid HTTP, or weir cannot pass it on. */
export const MALFORMED = 3;
export type HeadResult = 0 | 1 | 2 | 3;
