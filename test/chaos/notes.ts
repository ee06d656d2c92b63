/** Ids that no span has: what a producer says besides the spans that it ended. */
export const notes = {
  conservationGap: "0000000000000000",
  unhandledRejection: "ffffffffffffffff",
  listeners: "fffffffffffffffe",
  activeResources: "fffffffffffffffd",
} as const;
