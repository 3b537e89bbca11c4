// Media types in headers.
import { expect, it } from 'vitest';
import { mediaTypeOf } from '../../src/core/media-type.ts';

it.each([
  ['application/json', 'application/json'],
  [' Text/CSV ; charset=utf-8', 'text/csv'],
  ['', ''],
  [undefined, ''],
])('reads the media type of %j', (value, type) => expect(mediaTypeOf(value)).toBe(type));
