// Node's TLS and HTTPS, loaded with the first certificate or encrypted connection.
// Invariant: no source file imports node:tls or node:https but their types, since the modules need 8 MB of memory that a
// weir in clear text does not use.
type NodeTlsModule = typeof import('node:tls');
type NodeHttpsModule = typeof import('node:https');

/** The module node:tls. */
export const nodeTls = (): NodeTlsModule => process.getBuiltinModule('node:tls');

/** The module node:https. */
export const nodeHttps = (): NodeHttpsModule => process.getBuiltinModule('node:https');
