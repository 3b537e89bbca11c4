// The version in package.json, for metrics, logs and `weir version`.
import { readFileSync } from 'node:fs';
import { packageFile } from './package-file.ts';

const manifest = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};

export const version: string = manifest.version;
