// What exchanges share in benchmarks that make exchanges themselves: no observers, no bodies, no tokens.
export const SHARED = {
  routed: [],
  upgraded: [],
  closed: [],
  steps: undefined,
  sampler: () => true,
  captures: undefined,
  llm: undefined,
};
