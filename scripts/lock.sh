#!/usr/bin/env bash
# Make the locks of the images anew from their .in files:
#   scripts/lock.sh [--cuda] [train|lm_eval]...
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

# torch stands apart (its CPU and CUDA builds share a version). Without CUDA so does triton,
# which xgrammar asks for: it has no CPU backend and weighs a gigabyte. With CUDA the
# libraries that torch's CUDA build asks for are in the lock, and setuptools, with which
# kernels are built at run time.
lock_requirements() {
  local folder=$1 accelerator=$2 lock=$1/requirements-$2.lock
  local -a apart=(--unsafe-package torch --unsafe-package triton)
  [ "$accelerator" = cpu ] || apart=(--allow-unsafe)
  cat "$folder/torch.txt" "$folder/requirements-$accelerator.in" > "$scratch/all.in"
  [ ! -e "$lock" ] || cp "$lock" "$scratch/all.lock"
  "$scratch/tools/bin/pip-compile" --quiet --generate-hashes --strip-extras --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    "${apart[@]}" --output-file "$scratch/all.lock" "$scratch/all.in"
  { echo "$NOTE torch is not here: see torch.txt."
    sed -e '/^# WARNING: The following packages/,$d' \
      -e '/^# The following packages are considered/d' \
      -e '/^torch==/,/[^\\]$/d' "$scratch/all.lock"; } > "$lock"
  rm "$scratch/all.lock"
  [ "$accelerator" != cuda ] || grep -q '^nvidia-' "$lock" \
    || { echo "lock.sh: pip found a CPU build of torch; point it at CUDA builds" >&2; exit 1; }
}

lock_without_requirements() {
  local folder=$1 accelerator=$2 requirement
  [ -e "$folder/no-deps-$accelerator.in" ] || return 0
  requirement=$(grep -v '^#' "$folder/no-deps-$accelerator.in")
  rm -rf "$scratch/wheel"
  "$scratch/tools/bin/pip" download --quiet --no-deps --only-binary :all: \
    --dest "$scratch/wheel" "$requirement"
  { echo "$NOTE Installed without its requirements."
    echo "$requirement \\"
    "$scratch/tools/bin/pip" hash "$scratch"/wheel/*.whl | tail -n 1 | sed 's/^/    /'
  } > "$folder/no-deps-$accelerator.lock"
}

accelerator=cpu
[ "${1:-}" != --cuda ] || { accelerator=cuda; shift; }
# Folders of wheels that pip knows of here may hold CPU builds only.
[ "$accelerator" = cpu ] || export PIP_FIND_LINKS="$scratch"
[ $# -gt 0 ] || set -- train lm_eval
for role in "$@"; do
  lock_requirements "$role" "$accelerator"
  lock_without_requirements "$role" "$accelerator"
  echo "docker/$role: $(grep -c '==' "$role/requirements-$accelerator.lock") packages"
done
