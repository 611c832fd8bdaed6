#!/usr/bin/env bash
# The test command: installs what the tests need, says what it could not install, then runs the whole suite.
# A second run installs nothing and needs no network. In CI a missing program is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# program on PATH : Debian package that has it
debian="
  curl:curl openssl:openssl gzip:gzip python3:python3-venv
  faketime:faketime script:bsdutils systemd-analyze:systemd logrotate:logrotate rsyslogd:rsyslog
  node:nodejs npm:npm chromium:chromium mawk:mawk
  squid:squid haproxy:haproxy dnsmasq:dnsmasq unbound-checkconf:unbound
  named:bind9 named-checkzone:bind9-utils nsd-checkzone:nsd nft:nftables ip:iproute2 ipset:ipset xmllint:libxml2-utils
"
# program : npm package that has it, into the user's cache
npm="azurite-blob:azurite@3.35.0 hostlist-compiler:@adguard/hostlist-compiler@1.0.12 ../@adguard/tsurlfilter/package.json:@adguard/tsurlfilter@2.2.23"
# module : PyPI package that has it, into an environment in the user's cache
pypi="requests:requests==2.34.2 pacparser:pacparser==1.5.3 ciscoconfparse2:ciscoconfparse2==0.9.18 hier_config:hier-config==2.3.1 panos:pan-os-python==1.13.1 duckdb:duckdb==2.0.1"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/logweir-tests"
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
PATH="$PATH:/usr/sbin:/sbin"
export PATH

has_debian() { command -v "$1" >/dev/null 2>&1; }
has_npm() { [ -e "$cache/npm/node_modules/.bin/$1" ]; }
has_pypi() { [ -x "$cache/python/bin/python" ] && "$cache/python/bin/python" -c "import $1" >/dev/null 2>&1; }

# The packages of a list whose program or module is not there yet.
missing() {
  local kind=$1 pair
  shift
  for pair in "$@"; do
    "has_$kind" "${pair%%:*}" || echo "${pair#*:}"
  done | sort -u
}

quietly() {
  local log
  log=$(mktemp)
  "$@" >"$log" 2>&1 || { echo "failed: $*"; tail -n 3 "$log" | sed 's/^/  /'; }
  rm -f "$log"
}

# shellcheck disable=SC2086
wanted=$(missing debian $debian)
if [ -n "$wanted" ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing Debian packages:" $wanted
  quietly $sudo apt-get update -qq
  # One by one when they do not go together: what can be installed is.
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null 2>&1 ||
    for package in $wanted; do
      quietly $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"
    done
fi
# shellcheck disable=SC2086
wanted=$(missing npm $npm)
if [ -n "$wanted" ] && command -v npm >/dev/null 2>&1; then
  echo "installing npm packages into $cache/npm:" $wanted
  mkdir -p "$cache/npm"
  # shellcheck disable=SC2086
  quietly npm install --no-audit --no-fund --prefix "$cache/npm" $wanted
fi
# shellcheck disable=SC2086
wanted=$(missing pypi $pypi)
if [ -n "$wanted" ] && command -v python3 >/dev/null 2>&1; then
  echo "installing PyPI packages into $cache/python:" $wanted
  [ -x "$cache/python/bin/pip" ] || quietly python3 -m venv "$cache/python"
  # shellcheck disable=SC2086
  [ ! -x "$cache/python/bin/pip" ] || quietly "$cache/python/bin/pip" install --quiet $wanted
fi

# shellcheck disable=SC2086
absent=$(missing debian $debian; missing npm $npm; missing pypi $pypi)
if [ -n "$absent" ]; then
  echo "not installed, and could not be:" $absent
  if [ -n "${CI:-}" ]; then
    exit 1
  fi
  echo "the tests that need them say so and pass over"
fi

cargo test --quiet --no-fail-fast
