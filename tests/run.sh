#!/usr/bin/env bash
# The test command: installs what the tests need, says what it could not install, then runs the whole suite.
# A second run installs nothing. In CI a missing program is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# program on PATH -> Debian package that has it
needs="curl:curl openssl:openssl gzip:gzip systemd-analyze:systemd logrotate:logrotate unbound-checkconf:unbound"

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
PATH="$PATH:/usr/sbin:/sbin"
export PATH

missing_packages=""
for pair in $needs; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing_packages="$missing_packages ${pair#*:}"
done
if [ -n "$missing_packages" ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing:$missing_packages"
  # shellcheck disable=SC2086
  { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing_packages; } >/dev/null 2>&1 || true
fi
absent=""
for pair in $needs; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || absent="$absent ${pair%%:*}"
done
if [ -n "$absent" ]; then
  echo "not installed, and could not be:$absent"
  if [ -n "${CI:-}" ]; then
    exit 1
  fi
fi

cargo test --quiet --no-fail-fast
