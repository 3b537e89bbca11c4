// Makes pictures of the browser small: at most 256 colours, each pixel by its nearest one.
// Invariant: width and height stay; a colour that is frequent, such as a background, stays exactly.
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Colours of a palette. */
const COLOURS = 256;
/** Of these, the most frequent ones are taken first. */
const EXACT = 96;

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel. */
  readonly rgb: Uint8Array;
}

/** Reads a PNG of 8-bit RGB or RGBA that is not interlaced, as browsers write it. */
function decode(png: Buffer): Pixels {
  let [width, height, channels] = [0, 0, 0];
  const parts: Buffer[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
      channels = data[9] === 2 ? 3 : 4;
      if (data[8] !== 8 || (data[9] !== 2 && data[9] !== 6) || data[12] !== 0)
        throw new Error(`PNG of another kind: depth ${data[8]}, colour type ${data[9]}`);
    } else if (type === 'IDAT') parts.push(data);
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const lines = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : lines[y * stride + x - channels]!;
      const up = y === 0 ? 0 : lines[(y - 1) * stride + x]!;
      const corner = x < channels || y === 0 ? 0 : lines[(y - 1) * stride + x - channels]!;
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!;
      lines[y * stride + x] = raw[y * (stride + 1) + 1 + x]! + predicted;
    }
  }
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(lines.subarray(i * channels, i * channels + 3), i * 3);
  return { width, height, rgb };
}

/** The predictor of filter type 4 (PNG, 9.4). */
function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ];
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
}

const parts = (colour: number): readonly [number, number, number] => [
  colour >> 16,
  (colour >> 8) & 255,
  colour & 255,
];

function distance(a: number, b: number): number {
  const [[r, g, blue], [r2, g2, blue2]] = [parts(a), parts(b)];
  return 2 * (r - r2) ** 2 + 4 * (g - g2) ** 2 + 3 * (blue - blue2) ** 2;
}

/** The most frequent colours, then those that are farthest from all that were taken, weighted by how many pixels have them. */
function paletteOf(counts: ReadonlyMap<number, number>): number[] {
  const byCount = [...counts].toSorted(([, a], [, b]) => b - a);
  const palette = byCount.slice(0, EXACT).map(([colour]) => colour);
  const rest = byCount.slice(EXACT).map(([colour, count]) => ({
    colour,
    count,
    away: Math.min(...palette.map((one) => distance(colour, one))),
  }));
  while (palette.length < COLOURS && rest.length > 0) {
    let next = rest[0]!;
    for (const one of rest) if (one.away * one.count > next.away * next.count) next = one;
    if (next.away === 0) break;
    palette.push(next.colour);
    for (const one of rest) one.away = Math.min(one.away, distance(one.colour, next.colour));
  }
  return palette;
}

function chunk(type: string, data: Buffer): Buffer {
  const out = Buffer.alloc(data.length + 12);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  data.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, data.length + 8)), data.length + 8);
  return out;
}

/** Returns the picture as a PNG with a palette. */
export function smallPng(png: Buffer): Buffer {
  const { width, height, rgb } = decode(png);
  const counts = new Map<number, number>();
  const colourAt = (i: number): number => (rgb[i * 3]! << 16) | (rgb[i * 3 + 1]! << 8) | rgb[i * 3 + 2]!;
  for (let i = 0; i < width * height; i++) counts.set(colourAt(i), (counts.get(colourAt(i)) ?? 0) + 1);
  const palette = paletteOf(counts);
  const indexOf = new Map<number, number>();
  for (const colour of counts.keys()) {
    let best = 0;
    for (let i = 1; i < palette.length; i++)
      if (distance(colour, palette[i]!) < distance(colour, palette[best]!)) best = i;
    indexOf.set(colour, best);
  }
  const lines = Buffer.alloc(height * (width + 1));
  for (let i = 0; i < width * height; i++)
    lines[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = indexOf.get(colourAt(i))!;
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', head),
    chunk('PLTE', Buffer.from(palette.flatMap(parts))),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
