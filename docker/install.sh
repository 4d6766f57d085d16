#!/usr/bin/env bash
# Install one role's libraries into /opt/venv; runs while an image is built.
#   install.sh RECIPE ACCELERATOR [WHEELS]
# With WHEELS (a folder of the context) nothing is fetched: it holds exactly the locked
# wheels. Without, pip fetches the locks itself, and torch from TORCH_INDEX if that is set.
set -euo pipefail

recipe=$1
accelerator=$2
wheels=${3:-}

install() {
  python3 -m pip --python /opt/venv/bin/python install --no-deps --no-cache-dir \
    --no-compile --disable-pip-version-check --quiet "$@"
}

python3 -m venv --without-pip /opt/venv
if [ -n "$wheels" ]; then
  install --no-index "/context/$wheels"/*.whl
else
  # Only the CPU builds of torch carry a label.
  torch=$(cat "$recipe/torch.txt")
  [ "$accelerator" != cpu ] || torch+=+cpu
  install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
  for lock in requirements no-deps; do
    [ ! -e "$recipe/$lock-$accelerator.lock" ] \
      || install --require-hashes --requirement "$recipe/$lock-$accelerator.lock"
  done
fi

packages=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for folder in "$recipe/stand_ins" "$recipe/stand_ins-$accelerator"; do
  [ ! -d "$folder" ] || cp -r "$folder/." "$packages/"
done
# Compiled here and on all cores, since the root is read-only later. Some packages ship
# files that are no Python 3.11, which nothing imports.
/opt/venv/bin/python -m compileall -q -j 0 "$packages" >/dev/null || true
chmod -R a+rX /opt/venv
