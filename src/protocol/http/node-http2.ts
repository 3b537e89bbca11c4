// Node's HTTP/2, for `proxy.http2_library: node`.
// Invariant: no source file imports node:http2 but its types, since the module needs 10 MB of memory. It is loaded with the
// first call.
type NodeHttp2Module = typeof import('node:http2');

/** The module node:http2. */
export const nodeHttp2 = (): NodeHttp2Module => process.getBuiltinModule('node:http2');
