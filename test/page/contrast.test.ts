// Colours of the page: texts can be read in both themes, and states and series can be told apart with each kind of sight.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PAGE = fileURLToPath(new URL('../../page', import.meta.url));
const CSS = readFileSync(join(PAGE, 'styles/tokens.css'), 'utf8');

type Colors = Readonly<Record<string, string>>;
const pairs = [...CSS.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)];
const THEMES: Readonly<Record<string, Colors>> = {
  light: Object.fromEntries(pairs.map(([, name, light]) => [name, light])),
  dark: Object.fromEntries(pairs.map(([, name, , dark]) => [name, dark])),
};

/** Red, green and blue as light, each from 0 to 1 (WCAG 2.2, relative luminance). */
const light = (hex: string): number[] =>
  [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
const luminance = (hex: string): number => {
  const [red, green, blue] = light(hex) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
function contrast(one: string, other: string): number {
  const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (bright + 0.05) / (dark + 0.05);
}

/** What stands on what, and the least contrast: 4.5 for text, 3 for lines of charts (WCAG 2.2, 1.4.3 and 1.4.11). */
const STANDS_ON: readonly (readonly [string, number, readonly string[]])[] = [
  ['text', 4.5, ['panel', 'bg', 'sunken', 'hover', 'sel', 'raised', 'err-bg', 'warn-bg']],
  ['text-2', 4.5, ['panel', 'bg', 'sunken', 'hover', 'sel']],
  ['text-3', 4.5, ['panel', 'bg', 'sunken', 'hover', 'sel', 'raised']],
  ['accent', 4.5, ['panel', 'accent-bg', 'sunken', 'sel']],
  ['ok', 4.5, ['panel', 'ok-bg', 'sel']],
  ['warn', 4.5, ['panel', 'warn-bg', 'sel', 'hover']],
  ['err', 4.5, ['panel', 'err-bg', 'sel', 'hover']],
  ['note', 4.5, ['panel', 'note-bg']],
  ['on-accent', 4.5, ['accent']],
  ['mark-text', 4.5, ['mark']],
  ['line-2', 1.4, ['panel']],
  ['bar', 1.4, ['panel']],
  ...['s1', 's2', 's3', 's4', 's5', 's6'].map((name) => [name, 3, ['panel']] as const),
];

/** Kinds of sight: what light becomes (Machado, Oliveira and Fernandes 2009, severity 1). */
const SIGHTS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  tritan: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** CIE 1976 L*a*b* of a colour as a kind of sight has it. */
function lab(hex: string, sight: string): number[] {
  const seen = SIGHTS[sight]!.map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, part, i) => sum + part * light(hex)[i]!, 0),
      ),
    ),
  );
  const [red, green, blue] = seen as [number, number, number];
  const scale = (value: number): number => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
  const x = scale((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047);
  const y = scale(0.2126729 * red + 0.7151522 * green + 0.072175 * blue);
  const z = scale((0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
const distance = (one: string, other: string, sight: string): number =>
  Math.hypot(...lab(one, sight).map((value, i) => value - lab(other, sight)[i]!));

/** Colours that stand beside each other, and the least distance that tells them apart. */
const TOLD_APART: readonly (readonly [number, readonly string[]])[] = [
  [17, ['ok', 'warn', 'err', 'note', 'text-3']],
  [17, ['s1', 's2', 's3', 's4', 's5', 's6']],
];

describe.each(Object.keys(THEMES))('in the %s theme', (theme) => {
  const colors = THEMES[theme]!;

  it.each(STANDS_ON)('%s can be read with a contrast of %d', (name, least, grounds) => {
    for (const ground of grounds)
      expect(contrast(colors[name]!, colors[ground]!), `on ${ground}`).toBeGreaterThanOrEqual(least);
  });

  it.each(Object.keys(SIGHTS))('states and series differ with %s sight', (sight) => {
    for (const [least, names] of TOLD_APART)
      for (const [i, one] of names.entries())
        for (const other of names.slice(i + 1))
          expect(distance(colors[one]!, colors[other]!, sight), `${one} and ${other}`).toBeGreaterThan(least);
  });
});

it('names no colour outside of the tokens', () => {
  expect(pairs.length).toBeGreaterThan(30);
  const sheets = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.css') && !name.endsWith('tokens.css'),
  );
  expect(sheets.length).toBeGreaterThan(2);
  const named = sheets.flatMap((name) =>
    [
      ...readFileSync(join(PAGE, name), 'utf8').matchAll(
        /#[0-9a-f]{3,8}\b(?=[^{]*;)|\b(?:rgb|hsl|oklch)a?\(/gi,
      ),
    ].map(([color]) => `${name}: ${color}`),
  );
  expect(named).toEqual([]);
});
