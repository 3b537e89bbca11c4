// Where the files are that weir is installed with.
// Invariant: it is the same in the sources and in the bundle, since src/core/ and dist/weir/ are equally deep.

/** URL of a file or folder of the package, by its path from the root. */
export const packageFile = (path: string): URL => new URL(`../../${path}`, import.meta.url);
