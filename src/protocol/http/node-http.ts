// Node's http, without what only comes along with it.
// Must stay true: weir's sources take http from here, types aside. An `import` of node:http reads every export of it,
// among them WebSocket, which loads Node's whole fetch implementation: 12 MB of memory that weir has no use for.
const http = process.getBuiltinModule('node:http');

export const { Agent, createServer, request, STATUS_CODES } = http;
