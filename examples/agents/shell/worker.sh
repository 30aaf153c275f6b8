#!/bin/sh
# One delivery: the payload comes on stdin, the counts go to stdout. The payload is data of others: it is measured, never run.
# Exit codes: 0 READY, 65 CONFLICT DATA_CONTRADICTION, 69 CAPABILITY_MISMATCH, others CONFLICT; stderr's last line is the reason.
set -eu
command -v sha256sum > /dev/null || { echo "sha256sum is not installed here" >&2; exit 69; }
payload=$(mktemp)
trap 'rm -f "$payload"' EXIT
cat > "$payload"
[ -s "$payload" ] || { echo "the payload is empty" >&2; exit 65; }
set -- $(wc -l -w < "$payload") "$(sha256sum < "$payload")"
echo "$MESH_VERB: $1 lines, $2 words, sha256 ${3%% *}"
