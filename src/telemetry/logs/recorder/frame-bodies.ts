// Reads the frame of captured bodies (frames.ts).
// Invariant: the bodies are those that FrameWriter.bodies wrote. They share the memory of the frames.
import type { RawBodies, RawBody } from '../../../core/exchange/body-capture.ts';
import { aligned, BODIES_HEAD_BYTES, type FrameBytes } from './frames.ts';

type Described = [type: string, coding: string, isCut: boolean] | null;

/** The JSON of the frame before. Most frames have the same. */
let last = '';
let lastDescribed: [Described, Described] = [null, null];

export function bodiesOf({ u8, u32 }: FrameBytes, at: number): RawBodies {
  const word = at >> 2;
  const [jsonLength, requestLength, responseLength] = [u32[word + 2]!, u32[word + 3]!, u32[word + 4]!];
  const requestAt = at + BODIES_HEAD_BYTES;
  const responseAt = requestAt + aligned(requestLength);
  const jsonAt = responseAt + aligned(responseLength);
  const json = Buffer.from(u8.buffer, u8.byteOffset + jsonAt, jsonLength).toString();
  if (json !== last) {
    lastDescribed = JSON.parse(json) as [Described, Described];
    last = json;
  }
  const [request, response] = lastDescribed;
  const body = (described: Described, from: number, length: number): RawBody | undefined => {
    if (described === null) return undefined;
    const [type, coding, isCut] = described;
    return { bytes: u8.subarray(from, from + length) as Uint8Array<ArrayBuffer>, type, coding, isCut };
  };
  return {
    request: body(request, requestAt, requestLength),
    response: body(response, responseAt, responseLength),
  };
}
