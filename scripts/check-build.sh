#!/usr/bin/env bash
# Runs the built package as it is published: without sources and without node_modules/. It must serve the web page.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run -s build
dist=$(mktemp -d)
trap '[ -z "${weir:-}" ] || kill "$weir"; rm -rf "$dist"' EXIT
cp -r bin dist proto package.json "$dist"
"$dist/bin/weir" check --replica http://127.0.0.1:8000

"$dist/bin/weir" serve --replica http://127.0.0.1:8000 --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
  --data-dir "$dist/data" --logs-capture off >"$dist/log" &
weir=$!
admin=""
for _ in $(seq 300); do
  admin=$(sed -n 's/.*"event":"listening".*"admin":"\([^"]*\)".*/\1/p' "$dist/log")
  [ -z "$admin" ] || break
  kill -0 "$weir"
  sleep 0.1
done
page=$(curl -sSf --max-time 10 "http://$admin/ui/")
script=$(sed -n 's/.*src="\([^"]*\.js\)".*/\1/p' <<<"$page")
curl -sSf --max-time 10 -o /dev/null "http://$admin$script"
