#!/usr/bin/env bash
# Write a small Debian 12 with Python 3.11 as a tar to stdout, for `docker import`.
# For machines that reach no image registry: packages come from wherever this
# machine's own apt takes them. Needs root and debootstrap; not reproducible bit by bit.
#   make_base.sh PACKAGES...   files with one package a line
set -euo pipefail

readonly SUITE=bookworm
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

lists=("$@")
[ $# -gt 0 ] || lists=("$here/packages.txt")

fail() { echo "make_base: $*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "needs root; or set RDAGENT_BASE_IMAGE to an image with Python 3.11"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
codename=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") \
  || fail "this is not Debian; set RDAGENT_BASE_IMAGE to an image with Python 3.11"

mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Identifier: Packages' | awk -v want="$codename" '$2 == want && $3 == "main" { print $1 }' | head -n 1)
[ -n "$mirror" ] || fail "apt knows no source for the main packages of Debian $codename"

# debootstrap does not read apt's configuration, so hand it apt's proxy.
proxy=$(apt-config shell value Acquire::http::Proxy | sed "s/^value='\(.*\)'$/\1/")
[ -z "$proxy" ] || export http_proxy=$proxy https_proxy=$proxy

root=$(mktemp -d "${TMPDIR:-/tmp}/rdagent-base.XXXXXX")
trap 'rm -rf --one-file-system -- "$root"' EXIT
chmod 755 "$root"
debootstrap --variant=minbase "--include=$(cat -- "${lists[@]}" | paste -sd,)" \
  "$SUITE" "$root" "$mirror" >&2

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
  "$root"/etc/apt/sources.list "$root"/usr/share/doc/* "$root"/usr/share/man/* \
  "$root"/etc/resolv.conf "$root"/etc/hostname
tar --create --numeric-owner --one-file-system --sort=name --directory "$root" .
