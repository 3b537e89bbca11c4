// Sentences about bodies that are not there, or only in part: which setting said so, and how large they were.
// Invariant: pure; the setting and the reason are the server's.
import type { ShownBody } from '../../../src/control/admin/records/request-json.ts';
import { bytes, grouped, memory, text } from '../../formats.ts';

export interface BodyNote {
  /** Of which bodies: `Request`, `Response` or `Bodies`. */
  readonly of: 'Request' | 'Response' | 'Both';
  readonly text: string;
  /** The setting that can change it. */
  readonly setting: NonNullable<ShownBody['setting']> | undefined;
}

const because = ({ reason, reason_text: words, setting }: ShownBody): string => {
  switch (reason) {
    case 'not_captured':
      return setting === undefined ? 'a setting says so' : '';
    case 'protocol':
      return 'bodies of gRPC and WebSocket are not stored';
    case 'expired':
      return 'it was deleted after logs.retention_bodies';
    case 'other':
      return words === 'binary' ? 'it is not text' : (words ?? 'the reason is not recorded');
    default:
      return 'the client asked for that, or weir had no memory left for it';
  }
};

const size = (n: number | null): string =>
  n === null ? 'an unknown number of bytes' : `${grouped(n)} ${n === 1 ? 'byte' : 'bytes'}`;

/** What is to be said of one body; `undefined`: it is whole, or there was none. */
function noteOf(of: 'Request' | 'Response', body: ShownBody): BodyNote | undefined {
  const setting = body.setting;
  const name = of === 'Request' ? 'request' : 'response';
  if (body.state === 'kept' || body.reason === 'none') return undefined;
  if (body.state === 'cut') {
    const whole =
      body.bytes === null || body.bytes <= body.kept_bytes ? '' : ` of ${text(bytes(body.bytes))}`;
    return {
      of,
      text: `Only the first ${text(memory(body.kept_bytes))}${whole} of the ${name} body are stored.`,
      setting,
    };
  }
  const why = because(body);
  return { of, text: `The ${name} body was not kept${why === '' ? '' : `: ${why}`}.`, setting };
}

/** The notes of both bodies; one for both if they have the same reason. */
export function bodyNotes(request: ShownBody, response: ShownBody): BodyNote[] {
  const isSame =
    request.state === 'not_kept' &&
    response.state === 'not_kept' &&
    request.reason === response.reason &&
    request.reason !== 'none' &&
    request.reason_text === response.reason_text;
  if (isSame) {
    const why = because(request)
      .replace(/^it is not/, 'they are not')
      .replace(/^it was/, 'they were');
    return [
      {
        of: 'Both',
        text: `The bodies of this request were not kept${why === '' ? '' : `: ${why}`}. ${size(request.bytes)} came in, ${size(response.bytes)} went out.`,
        setting: request.setting,
      },
    ];
  }
  return [noteOf('Request', request), noteOf('Response', response)].filter((note) => note !== undefined);
}
