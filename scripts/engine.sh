#!/usr/bin/env bash
# Docker Engine for this machine: engine.sh start | stop | status
# `start` does nothing where an engine answers; else, as root on Debian, it installs
# Debian's packages if they are missing and starts the engine by hand. `stop` ends only an
# engine that `start` began.
set -euo pipefail

readonly LOG=/var/log/rdagent-dockerd.log
readonly OURS=/var/run/rdagent-dockerd.pid
readonly WAIT_SECONDS=60

say() { echo "engine: $*"; }
fail() { echo "engine: $*" >&2; exit 1; }

answering() {
  command -v docker >/dev/null || return 1
  timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null | grep -E '^[0-9]'
}

# Is the process recorded in the file $1 alive (a zombie is not), and is it a $2?
runs() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] \
    && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] \
    && ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null
}

drop_if_stale() {
  [ -e "$1" ] || return 0
  runs "$1" "$2" && return 0
  say "removing the stale file $1"
  rm -f -- "$1"
}

by_hand() {
  fail "$1
  Install and start Docker Engine yourself (https://docs.docker.com/engine/install),
  or point DOCKER_HOST at one; then run this again to check that it answers."
}

install_packages() {
  local missing=()
  [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
  command -v iptables >/dev/null || [ -x /usr/sbin/iptables ] || missing+=(iptables)
  command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing with apt-get: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet >/dev/null
  apt-get install --quiet --yes --no-install-recommends "${missing[@]}" >/dev/null
}

wait_for_answer() {
  local waited=0
  while [ "$waited" -lt "$WAIT_SECONDS" ]; do
    answering >/dev/null && return 0
    runs "$OURS" dockerd || { [ "$waited" -lt 3 ] || return 1; }
    sleep 1
    waited=$((waited + 1))
  done
  return 1
}

# A dockerd of its own session, so that it outlives this shell; flags are in "$@".
launch() {
  drop_if_stale /var/run/docker.pid dockerd
  drop_if_stale /var/run/docker/containerd/containerd.pid containerd
  say "starting dockerd${*:+ $*} (log: $LOG)"
  setsid /usr/sbin/dockerd "$@" >"$LOG" 2>&1 </dev/null &
  echo $! >"$OURS"
  wait_for_answer
}

# Where iptables or bridges are not to be had: our jobs and builds need no network.
launch_without_bridge() {
  stop_ours
  grep -qiE 'iptables|nf_tables|bridge' "$LOG" || give_up
  say "it did not come up: $(tail -n 1 "$LOG")"
  launch --bridge=none --iptables=false || give_up
}

give_up() {
  tail -n 20 "$LOG" >&2
  fail "dockerd does not answer; its last lines are above"
}

start() {
  local version
  if version=$(answering); then
    say "Docker Engine $version answers; nothing to do"
    return 0
  fi
  [ -z "${DOCKER_HOST:-}" ] \
    || fail "no engine answers at DOCKER_HOST=$DOCKER_HOST; unset it, or start that engine"
  [ "$(id -u)" -eq 0 ] || by_hand "no engine answers, and starting one needs root."
  [ -e /etc/debian_version ] && command -v apt-get >/dev/null \
    || by_hand "no engine answers, and this is not Debian."
  say "no engine answers: Debian's docker.io is installed if missing, and started"
  install_packages
  if [ -d /run/systemd/system ]; then
    systemctl start docker \
      || by_hand "systemd could not start docker ('journalctl -u docker' says why)."
  else
    launch || launch_without_bridge
  fi
  version=$(answering) || fail "the engine does not answer"
  say "Docker Engine $version answers (storage: $(docker info --format '{{.Driver}}'))"
}

stop_ours() {
  local pid waited=0
  runs "$OURS" dockerd || { rm -f -- "$OURS"; return 0; }
  pid=$(cat "$OURS")
  kill -TERM "$pid"
  while runs "$OURS" dockerd && [ "$waited" -lt 30 ]; do sleep 1; waited=$((waited + 1)); done
  ! runs "$OURS" dockerd || fail "dockerd (process $pid) does not end"
  rm -f -- "$OURS"
}

stop() {
  runs "$OURS" dockerd || { say "no engine that this script started is running"; return 0; }
  stop_ours
  say "stopped; images and containers are kept"
}

status() {
  local version
  version=$(answering) || fail "no engine answers"
  say "Docker Engine $version answers"
}

case "${1:-}" in
  start | stop | status) "$1" ;;
  *) fail "usage: engine.sh start | stop | status" ;;
esac
