#!/usr/bin/env bash
# Runs one job through a gateway with curl and fails unless it is answered: deploy/try.sh http://127.0.0.1:8000 KEY_FILE PICTURE
set -euo pipefail

gateway=$1 picture=$3
key=(-H "authorization: Bearer $(cat "$2")")
field() { python3 -c 'import functools, json, sys; print(functools.reduce(lambda part, name: part[name], sys.argv[1:], json.load(sys.stdin)))' "$@"; }

curl -sS --fail-with-body --retry 30 --retry-delay 1 --retry-all-errors -o /dev/null "$gateway/readyz"
file=$(curl -sS --fail-with-body "${key[@]}" --data-binary "@$picture" "$gateway/v1/files?file_name=$(basename "$picture")" | field file file_id)
steps=$(curl -sSN --fail-with-body --max-time 300 "${key[@]}" "$gateway/v1/jobs:run" \
  -d "{\"spec\": {\"question\": \"Which month sold the most?\", \"inputs\": [{\"file_id\": \"$file\"}]}}")
# A stream's error is invisible over HTTP/1.1: what counts is its last step.
last=$(tail -n 1 <<<"$steps")
echo "$last"
[ "$(field step job_state <<<"$last")" = JOB_STATE_SUCCEEDED ]
[ "$(field step answer answer status <<<"$last")" = ANSWER_STATUS_ANSWERED ]
