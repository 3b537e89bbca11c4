// Error codes of HTTP/2 (RFC 9113 7), and the error that ends a connection.

export const ERROR_CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

const NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** Name of an error code as the RFC writes it. */
export const errorCodeName = (code: number): string => NAMES[code] ?? `error code ${code}`;

/** Why a connection was ended: a word for metrics and logs. */
export type ConnectionProblem =
  // The peer broke the protocol.
  | 'protocol'
  // The peer was ended by a guard.
  | 'resets'
  | 'control_frames'
  | 'window_updates'
  | 'header_frames'
  | 'unread_output'
  // The peer was silent.
  | 'settings_timeout'
  | 'ping_timeout'
  // The peer ended the connection with GOAWAY and an error code.
  | 'goaway'
  // The socket failed.
  | 'socket';

/** An error of a whole connection. */
export class Http2ConnectionError extends Error {
  override readonly name = 'Http2ConnectionError';
  readonly code: number;
  readonly problem: ConnectionProblem;

  /** `code`: what the GOAWAY frame says, or said. */
  constructor(problem: ConnectionProblem, code: number, message: string, cause?: Error) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.problem = problem;
  }
}
