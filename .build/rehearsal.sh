#!/usr/bin/env bash
# Plays a cluster for the Helm chart (helm/tests/rehearsal): needs root, helm as .build/chart-test.sh finds it, and a server
# (FLOTILLA_BIN, else target/release/flotilla).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PYTHONDONTWRITEBYTECODE=1 PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || die "network namespaces and mounts need root"
program=${FLOTILLA_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/flotilla}
[ -x "$program" ] || die "there is no $program; build it, or set FLOTILLA_BIN"
mapfile -t tools < <(.build/chart-test.sh --tools)
[ ${#tools[@]} = 2 ] || die "this needs helm 4 and Python packages"
exec "${tools[1]}" helm/tests/rehearsal/main.py "${tools[0]}" "$program"
