// SETTINGS of both sides (RFC 9113 6.5, RFC 8441 3).
import type { Http2Options } from './connection-options.ts';
import { ERROR_CODE } from './error-code.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, readUint32, writeUint32 } from './frame-types.ts';

const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

/** Size of one setting in a frame. */
export const SETTING_BYTES = 6;
const DEFAULT_TABLE_BYTES = 4096;
const MIN_FRAME_SIZE = 16_384;
const MAX_FRAME_SIZE = 16_777_215;

/** The payload of the SETTINGS frame that a connection begins with. */
export function ownSettings(options: Http2Options): Buffer {
  const { role, maxStreams, streamWindow, maxHeaderListBytes, allowsExtendedConnect } = options;
  const list: (readonly [number, number])[] = [
    [SETTING.initialWindowSize, streamWindow],
    [SETTING.maxHeaderListSize, maxHeaderListBytes],
  ];
  if (role === 'client') list.push([SETTING.enablePush, 0]);
  else list.push([SETTING.maxConcurrentStreams, maxStreams]);
  if (role === 'server' && allowsExtendedConnect) list.push([SETTING.enableConnectProtocol, 1]);
  const bytes = Buffer.allocUnsafe(list.length * SETTING_BYTES);
  let at = 0;
  for (const [id, value] of list) at = writeUint32(bytes, bytes.writeUInt16BE(id, at), value);
  return bytes;
}

/** What the peer has set. */
export class PeerSettings {
  headerTableBytes = DEFAULT_TABLE_BYTES;
  maxStreams = Infinity;
  streamWindow = DEFAULT_WINDOW;
  maxHeaderListBytes = Infinity;
  allowsExtendedConnect = false;

  /**
   * Applies a payload, whose length is a multiple of SETTING_BYTES. Of a repeated setting the last value is used. Returns
   * the error code of a value that is not allowed, otherwise 0.
   */
  apply(bytes: Buffer, from: number, to: number, isFromServer: boolean): number {
    for (let at = from; at < to; at += SETTING_BYTES) {
      const id = (bytes[at]! << 8) | bytes[at + 1]!;
      const code = this.#set(id, readUint32(bytes, at + 2), isFromServer);
      if (code !== ERROR_CODE.noError) return code;
    }
    return ERROR_CODE.noError;
  }

  #set(id: number, value: number, isFromServer: boolean): number {
    switch (id) {
      case SETTING.headerTableSize:
        this.headerTableBytes = value;
        break;
      case SETTING.enablePush:
        // A server must not say 1 (RFC 9113 6.5.2).
        if (value > (isFromServer ? 0 : 1)) return ERROR_CODE.protocolError;
        break;
      case SETTING.maxConcurrentStreams:
        this.maxStreams = value;
        break;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW) return ERROR_CODE.flowControlError;
        this.streamWindow = value;
        break;
      case SETTING.maxFrameSize:
        // Frames from here are never above the minimum.
        if (value < MIN_FRAME_SIZE || value > MAX_FRAME_SIZE) return ERROR_CODE.protocolError;
        break;
      case SETTING.maxHeaderListSize:
        this.maxHeaderListBytes = value;
        break;
      case SETTING.enableConnectProtocol:
        if (value > 1 || (value === 0 && this.allowsExtendedConnect)) return ERROR_CODE.protocolError;
        this.allowsExtendedConnect = value === 1;
        break;
      default:
      // Unknown settings are ignored (RFC 9113 6.5.2).
    }
    return ERROR_CODE.noError;
  }
}
