#!/usr/bin/env bash
# Shows that the tests of chaos and of client-side caching notice a broken rule: builds the server with one rule broken, and expects them to fail for it.
#   broken-lease         a leader reads without looking at its lease: an old leader answers with what it had
#   broken-apply-index   the applied index is not in the batch: after a restart entries are applied twice, which shows in what
#                        clients see, or in lists whose ends do not fit any more: the nodes take their stores for damaged
#   broken-tracking      clients that cache a key are not told that it has expired
#   broken-since         a client that takes its cache to another node is not told what has changed meanwhile
# usage: chaos-proof.sh [FEATURE]...      (none named: all)
set -euo pipefail
cd "$(dirname "$0")/.."
. .build/lib.sh
choose_toolchain
target=${CARGO_TARGET_DIR:-$PWD/target}/broken

# FEATURE EXPECTED COMMAND...: the command must fail against the server with the feature, and say so.
prove() {
    local feature=$1 expected=$2 output
    shift 2
    say "a server with $feature"
    cargo build --locked --bin flotilla --features "$feature" --target-dir "$target"
    output=$(FLOTILLA_BIN=$target/debug/flotilla "$@" 2>&1) && die "$feature was NOT noticed"
    grep -Eq "$expected" <<<"$output" || { tail -30 <<<"$output" >&2; die "$feature: the test failed for another reason"; }
    say "$feature was noticed: $(grep -Eo -m1 "$expected" <<<"$output")"
}

chaos() { CHAOS_SECONDS=120 CHAOS_FAULTS=$1 cargo test --locked -p resp-tests --test chaos -- --nocapture; }
caches() { TRACKING_SECONDS=40 cargo test --locked -p resp-tests --test tracking no_cached_value -- --nocapture; }

[ $# -gt 0 ] || set -- broken-lease broken-apply-index broken-tracking broken-since
for feature in "$@"; do
    case $feature in
        broken-lease)
            prove "$feature" 'not linearizable|transactions in a cycle' chaos PauseLeader,IsolateLeader,MuteLeader
            ;;
        broken-apply-index)
            prove "$feature" 'is there twice|twice in the journal|by the journal|reads disagree|states differ|not linearizable|came out twice|is the most|handed out|is damaged: ' \
                chaos Rolling,KillAll
            ;;
        broken-tracking | broken-since) prove "$feature" 'was .* in a cache at node' caches ;;
        *) die "unknown feature '$feature'" ;;
    esac
done
say "all were noticed"
