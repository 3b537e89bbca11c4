// Marks the requests of judges, which may go through weir themselves, so that they are not scored.

/** Metadata of such a request, in the header `x-portkey-metadata`. */
export const SCORER_MARK = { weir_purpose: 'scorer' } as const;
