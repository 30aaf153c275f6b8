#!/usr/bin/env bash
# Three agents in three working trees of one repository edit QUEUE.md, HEARTBEATS.md, FACTS.jsonl and LOG.md at the same time and merge, three times over:
# with git's default merge, with git's union merge, and with mesh. Then it counts what is missing, there twice, or out of date.
# Needs bash, git and the .NET SDK. Everything happens in a temporary folder, which is removed at the end unless --keep is given.
# Exit 0: mesh lost and doubled nothing. 1: it did. 2: wrong arguments.
set -euo pipefail

mesh=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)/mesh
case "${1:-}" in
  "") keep= ;;
  --keep) keep=yes ;;
  *) echo "usage: run.sh [--keep]" >&2; exit 2 ;;
esac
work=$(mktemp -d)
if [ -n "$keep" ]; then trap 'echo "The repositories are in $work"' EXIT; else trap 'rm -rf "$work"' EXIT; fi

agents="ann bob cy"
rounds=3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true
export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@example.org GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@example.org

# A task's number: that of the agent (1 to 3) and the round.
seq_of() { case $1 in ann) echo "1$2" ;; bob) echo "2$2" ;; cy) echo "3$2" ;; esac; }

# edit FILE COMMAND: runs a sed command over a file.
edit() { sed "$2" "$1" > "$1.new" && mv "$1.new" "$1"; }

# What the documents hold before anybody starts.
start_documents() {
  printf '# Tasks\n\n' > QUEUE.md
  printf '# Agents\n\n| agent | status | updated |\n|---|---|---|\n' > HEARTBEATS.md
  : > FACTS.jsonl
  echo "2026-01-01T00:00:00Z the team starts" > LOG.md
  local agent
  for agent in $agents; do
    echo "- [ ] [seq:$(seq_of "$agent" 0)] [agent:$agent] prepare" >> QUEUE.md
    echo "| $agent | round 0 | 2026-01-01T00:00:00Z |" >> HEARTBEATS.md
  done
}

# One round of one agent: it finishes its last task, adds one, reports itself, states a fact, writes into the log, and commits.
work_one_round() {
  local agent=$1 round=$2 minute=0$2 last
  last=$((round - 1))
  edit QUEUE.md "/\[seq:$(seq_of "$agent" $last)\]/s/\[ \]/[x]/"
  echo "- [ ] [seq:$(seq_of "$agent" "$round")] [depends:$(seq_of "$agent" $last)] [agent:$agent] step $round" >> QUEUE.md
  edit HEARTBEATS.md "s/^| $agent |.*/| $agent | round $round | 2026-01-01T00:$minute:00Z |/"
  echo "{\"entity\":\"$agent\",\"attribute\":\"round\",\"value\":$round,\"at\":\"2026-01-01T00:$minute:00Z\",\"by\":\"$agent\"}" >> FACTS.jsonl
  echo "2026-01-01T00:$minute:00Z $agent finished round $round" >> LOG.md
  git commit -q -a -m "$agent: round $round"
}

# play NAME: the whole story in a repository of its own, prepared by the function setup_NAME. Sets `conflicts`.
play() {
  local name=$1 agent round repository=$work/$1/main pids pid
  conflicts=0
  git init -q -b main "$repository"
  cd "$repository"
  start_documents
  "setup_$name"
  git add -A
  git commit -q -m "start"
  for agent in $agents; do git worktree add -q -b "$agent" "$work/$name/$agent"; done
  for round in $(seq 1 $rounds); do
    pids=
    for agent in $agents; do
      (cd "$work/$name/$agent" && work_one_round "$agent" "$round") &
      pids="$pids $!"
    done
    for pid in $pids; do wait "$pid"; done
    for agent in $agents; do merge_one "$repository" "$agent"; done
    for agent in $agents; do git -C "$work/$name/$agent" merge -q --ff-only main; done
  done
}

# A conflict stops a merge. An agent that has to go on takes one side, here its own: what is lost then is what git asked a person about.
merge_one() {
  if ! git -C "$1" merge -q --no-edit "$2" > "$work/merge.log" 2>&1; then
    conflicts=$((conflicts + 1))
    [ "$conflicts" -gt 1 ] || sed 's/^/    /' "$work/merge.log"
    git -C "$1" checkout -q --theirs .
    git -C "$1" commit -q -a -m "take one side"
  fi
}

setup_default() { :; }
setup_union() { printf '%s merge=union\n' QUEUE.md HEARTBEATS.md FACTS.jsonl LOG.md > .gitattributes; }
setup_mesh() { "$mesh" init > /dev/null; }

# expect FILE KEY LINE: LINE is to be in FILE, and KEY on one line only.
expect() {
  local found
  found=$(grep -c -F -- "$2" "$1" || true)
  if [ "$found" -eq 0 ]; then lost=$((lost + 1)); return; fi
  doubled=$((doubled + found - 1))
  grep -q -F -- "$3" "$1" || stale=$((stale + 1))
}

# Counts in the folder at hand. Sets `lost`, `doubled` and `stale`.
count() {
  local agent round box key
  lost=0 doubled=0 stale=0
  for agent in $agents; do
    expect HEARTBEATS.md "| $agent |" "| $agent | round $rounds |"
    for round in $(seq 0 $rounds); do
      box=x; [ "$round" -lt "$rounds" ] || box=' '
      key="[seq:$(seq_of "$agent" "$round")]"
      expect QUEUE.md "] $key" "- [$box] $key"
      [ "$round" -gt 0 ] || continue
      key="\"entity\":\"$agent\",\"attribute\":\"round\",\"value\":$round,"
      expect FACTS.jsonl "$key" "$key"
      expect LOG.md "$agent finished round $round" "$agent finished round $round"
    done
  done
}

echo "Three agents, three working trees, three rounds: 9 merges of 4 documents, 33 entries."
declare -A results
for name in default union mesh; do
  case $name in
    default) echo; echo "git's default merge. Its first conflict:" ;;
    union) echo; echo "git's union merge (merge=union): no conflicts, but it keeps the old and the new of changed lines. HEARTBEATS.md then:" ;;
    mesh) echo; echo "mesh, after mesh init. HEARTBEATS.md then:" ;;
  esac
  play $name
  count
  results[$name]="$conflicts $lost $doubled $stale"
  case $name in union | mesh) sed 's/^/    /' HEARTBEATS.md ;; esac
done

echo
printf '%-10s %18s %6s %9s %6s\n' "" "conflicted merges" "lost" "doubled" "stale"
for name in default union mesh; do
  # shellcheck disable=SC2086 # four figures
  printf '%-10s %18s %6s %9s %6s\n' $name ${results[$name]}
done
[ "${results[mesh]}" = "0 0 0 0" ] || { echo "mesh lost, doubled or left something behind" >&2; exit 1; }
