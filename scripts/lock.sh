#!/usr/bin/env bash
# Make the locks of the images anew from their .in files:
#   scripts/lock.sh [train|lm_eval]...
# Versions that a lock holds are kept where the .in file allows; delete a lock to take the
# newest. Needs Python 3.11; fetches pip-tools into a folder of its own. Index addresses
# come from pip's own configuration and never reach a lock.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../docker"
readonly NOTE='# Made by scripts/lock.sh; do not edit.'
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
python3.11 -m venv "$scratch/tools"
"$scratch/tools/bin/pip" install --quiet 'pip-tools==7.6.2'

# torch stands apart (its CPU and CUDA builds share a version); triton, which xgrammar
# asks for, has no CPU backend and weighs a gigabyte.
lock_requirements() {
  local lock=$1/requirements-cpu.lock
  cat "$1/torch.txt" "$1/requirements-cpu.in" > "$scratch/all.in"
  [ ! -e "$lock" ] || cp "$lock" "$scratch/all.lock"
  "$scratch/tools/bin/pip-compile" --quiet --generate-hashes --strip-extras --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --unsafe-package torch --unsafe-package triton \
    --output-file "$scratch/all.lock" "$scratch/all.in"
  { echo "$NOTE torch is not here: see torch.txt."
    sed '/^# WARNING: The following packages/,$d' "$scratch/all.lock"; } > "$lock"
  rm "$scratch/all.lock"
}

lock_without_requirements() {
  local requirement
  requirement=$(grep -v '^#' "$1/no-deps-cpu.in")
  rm -rf "$scratch/wheel"
  "$scratch/tools/bin/pip" download --quiet --no-deps --only-binary :all: \
    --dest "$scratch/wheel" "$requirement"
  { echo "$NOTE Installed without its requirements."
    echo "$requirement \\"
    "$scratch/tools/bin/pip" hash "$scratch"/wheel/*.whl | tail -n 1 | sed 's/^/    /'
  } > "$1/no-deps-cpu.lock"
}

[ $# -gt 0 ] || set -- train lm_eval
for role in "$@"; do
  lock_requirements "$role"
  lock_without_requirements "$role"
  echo "docker/$role: $(grep -c '==' "$role/requirements-cpu.lock") packages"
done
