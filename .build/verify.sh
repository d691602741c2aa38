#!/usr/bin/env bash
# The checks that only look: format, lints, documentation, licences and dependencies, scripts, chart. Changes nothing
# but target/ and the cache. Runs all of them, then says which failed.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
choose_toolchain

cargo_deny_version=0.20.2
failed=()

check() {
    local name=$1
    shift
    say "$name"
    "$@" || { failed+=("$name"); say "FAILED: $name"; }
}

scripts_parse() {
    local script status=0
    for script in .build/*.sh helm/*/*.sh .ci/run; do bash -n "$script" || status=1; done
    return "$status"
}

# Of the crates as they lie on disk; needs no network.
dependencies() {
    "$1" --offline --locked --workspace --config .deny.toml check --hide-inclusion-graph bans licenses sources
}

# The advisory database is a git repository elsewhere. Not reaching it is not a finding, and is said aloud, with the day and
# the day on which these dependencies, or earlier ones, were last checked on this machine.
advisories() {
    local fetch lock record=$cache/advisories
    lock=$(sha256sum Cargo.lock | cut -c 1-12)
    if ! fetch=$(timeout 60 "$1" --config .deny.toml fetch db 2>&1 </dev/null); then
        say "ADVISORIES NOT CHECKED on $(date -u +%F) for Cargo.lock $lock (last checked: $(cat "$record" 2>/dev/null || echo never)):" \
            "the database cannot be fetched (${fetch##*$'\n'})"
        return 0
    fi
    "$1" --offline --locked --workspace --config .deny.toml check --hide-inclusion-graph advisories || return 1
    mkdir -p "$cache" && echo "$(date -u +%F), Cargo.lock $lock" >"$record"
}

check "cargo fmt --check" cargo fmt --all --check
check "cargo clippy -D warnings" cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
check "cargo doc -D warnings" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
check "scripts parse" scripts_parse
if deny=$(cargo_tool cargo-deny "$cargo_deny_version"); then
    check "cargo deny: bans, licences, sources" dependencies "$deny"
    check "cargo deny: advisories" advisories "$deny"
else
    check "cargo deny can be built" false
fi
check "chart" .build/chart-test.sh
check "documentation as a site, its links" .build/docs.sh

[ ${#failed[@]} -eq 0 ] || die "failed: $(printf '%s; ' "${failed[@]}")"
say "all checks passed"
