#!/usr/bin/env bash
# Runs the built package as it is published: without sources, with the dependencies beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run -s build
dist=$(mktemp -d)
trap 'rm -rf "$dist"' EXIT
cp -r bin dist proto package.json "$dist"
ln -s "$PWD/node_modules" "$dist/node_modules"
"$dist/bin/weir" check --replica http://127.0.0.1:8000
