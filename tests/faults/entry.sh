#!/bin/bash
# Stands for the evaluation's program in the tiny image: LIMIT chooses what it does.
set -u
out=/job/out
result() { # variant, tasks
  mkdir -p "$out/variants/$1"
  printf '{"results": {' > "$out/variants/$1/results.json"
  sep=
  for task in $2; do
    printf '%s"%s": {"exact_match,none": %s}' "$sep" "$task" "$3" >> "$out/variants/$1/results.json"
    sep=', '
  done
  printf '}}' >> "$out/variants/$1/results.json"
  printf '{"schema": "rdagent.variant/1"}' > "$out/variants/$1/variant.json"
}
status() { printf '{"schema": "rdagent.inside-status/1", "reason": "%s", "parts": []}' "$1" > "$out/status.json"; }
tasks=${BENCHMARK_TASKS//,/ }
echo "scenario ${LIMIT:-0}"
case "${LIMIT:-0}" in
  1) result base "$tasks" 0.5; status ok ;;
  2) result base "$tasks" 0.5; echo working; sleep 600 ;;
  3) result base "${tasks%% *}" 0.5; status ok ;;
  4) result base "$tasks" NaN; status ok ;;
  5) mkdir -p "$out/variants/base"; ln -s /etc/passwd "$out/variants/base/results.json"; status ok ;;
  6) mkdir -p "$out/variants/base"; mkfifo "$out/variants/base/results.json"; status ok ;;
  7) mkdir -p "$out/variants/base"; truncate -s 2G "$out/variants/base/results.json"; status ok ;;
  8) exit 3 ;;
  9) printf '\033]0;owned\007\033]52;c;ZXZpbA==\007\033[2J\377\376 %s\n' "red"; sleep 1; exit 4 ;;
esac
