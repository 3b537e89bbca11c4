// The parts of node:http that weir uses.
// Invariant: all source files import these from here; types may be imported from node:http.
// An `import` of node:http reads all its exports. One of them, WebSocket, loads Node's fetch implementation, which
// needs 12 MB of memory that weir does not use.
const http = process.getBuiltinModule('node:http');

export const { Agent, createServer, request, STATUS_CODES } = http;
