// A body of a request as far as it is stored, with the reason if it is not.
// Invariant: a body that is not whole has a reason.
import { isUtf8 } from 'node:buffer';
import type { LogRecord } from '../../../telemetry/logs/logs.ts';
import type { BodyReason, ShownBody } from './request-json.ts';

type Attributes = Readonly<Record<string, unknown>>;
type SettingOrigin = NonNullable<ShownBody['setting']>;

/** What decides which bodies are stored (telemetry/logs/ingest/capture-policy.ts). */
export interface CaptureRules {
  /** The setting that holds for a path now. */
  ruleOf(path: string): SettingOrigin;
  /** Maximum number of bytes that are stored of each body. */
  readonly maxBytes: number;
}

/** A body. `stored`: its bytes; `hasOther`: the other body of the request is stored. */
export function shownBody(
  side: 'request' | 'response',
  record: LogRecord,
  attributes: Attributes,
  stored: Uint8Array | undefined,
  hasOther: boolean,
  rules: CaptureRules,
): ShownBody {
  const passed = attributes[`${side}_bytes`];
  const bytes = typeof passed === 'number' ? passed : null;
  const mark = attributes[`${side}_body`];
  if (stored !== undefined) {
    const isCut = mark === 'cut';
    return {
      state: isCut ? 'cut' : 'kept',
      bytes,
      kept_bytes: stored.byteLength,
      ...contentOf(stored),
      ...(isCut ? { setting: { name: 'logs.max_body', value: String(rules.maxBytes) } } : {}),
    };
  }
  const rule = rules.ruleOf(typeof attributes['path'] === 'string' ? attributes['path'] : '');
  const reason = reasonOf(record, attributes, { bytes, mark, hasOther, isCaptured: rule.value === 'full' });
  return {
    state: 'not_kept',
    bytes,
    kept_bytes: 0,
    reason,
    ...(reason === 'other' ? { reason_text: String(mark) } : {}),
    ...(reason === 'not_captured' ? { setting: rule } : {}),
  };
}

/** As text if it is UTF-8, otherwise as base64. */
export function contentOf(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? { text: buffer.toString() } : { base64: buffer.toString('base64') };
}

interface BodyCircumstances {
  readonly bytes: number | null;
  readonly mark: unknown;
  readonly hasOther: boolean;
  readonly isCaptured: boolean;
}

function reasonOf(
  { kind, source }: LogRecord,
  attributes: Attributes,
  { bytes, mark, hasOther, isCaptured }: BodyCircumstances,
): BodyReason {
  if (kind !== 'request' || bytes === 0) return 'none';
  if (typeof mark === 'string' && mark !== 'cut') return 'other';
  const { protocol } = attributes;
  if (protocol === 'grpc' || protocol === 'websocket') return 'protocol';
  if (attributes['has_bodies'] === true) return hasOther ? 'none' : 'expired';
  // Other gateways send what they have.
  if (source !== 'weir') return 'none';
  return isCaptured ? 'unknown' : 'not_captured';
}
