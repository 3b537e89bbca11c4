// Hosts that are this machine alone.
import { expect, it } from 'vitest';
import { isLoopback } from '../../src/core/loopback.ts';

it.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::1%lo', true],
  ['::ffff:127.0.0.1', true],
  ['::ffff:7f00:1', true],
  ['0:0:0:0:0:ffff:7f00:1', true],
  ['', false],
  ['128.0.0.1', false],
  ['0.0.0.0', false],
  ['0.0.0.1', false],
  ['::', false],
  ['::2', false],
  ['::ffff:10.0.0.1', false],
  ['127.1', false],
  ['127.example.com', false],
  ['127.0.0.1.example.com', false],
  ['localhost.example.com', false],
])('isLoopback(%s) is %s', (host, is) => expect(isLoopback(host)).toBe(is));
