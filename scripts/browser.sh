#!/usr/bin/env bash
# A browser for the tests of HTML pages: browser.sh [install | status]
# Does nothing where Chromium or Chrome is found; else, as root on Debian, it installs
# Debian's package. Tests drive it headless and let no request out.
set -euo pipefail

readonly NAMES=(chromium chromium-browser google-chrome google-chrome-stable)

say() { echo "browser: $*"; }
fail() { echo "browser: $*" >&2; exit 1; }

found() {
  local name
  for name in "${NAMES[@]}"; do
    command -v "$name" && return 0
  done
  return 1
}

by_hand() {
  fail "$1
  Install Chromium or Chrome yourself, so that one of these commands is found:
  ${NAMES[*]}; then run this again."
}

install() {
  local path
  if path=$(found); then
    say "$path is here; nothing to do"
    return 0
  fi
  [ "$(id -u)" -eq 0 ] || by_hand "no browser is found, and installing one needs root."
  [ -e /etc/debian_version ] && command -v apt-get >/dev/null \
    || by_hand "no browser is found, and this is not Debian."
  say "no browser is found: installing Debian's chromium with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet >/dev/null
  apt-get install --quiet --yes --no-install-recommends chromium >/dev/null
  path=$(found) || fail "chromium was installed and is not found on the path"
  say "$path is installed"
}

status() {
  local path
  path=$(found) || fail "no browser is found ('make browser' installs one)"
  say "$path is here"
}

case "${1:-install}" in
  install | status) "${1:-install}" ;;
  *) fail "usage: browser.sh [install | status]" ;;
esac
