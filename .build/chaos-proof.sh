#!/usr/bin/env bash
# Shows that the chaos tests notice a broken rule: builds the server with one rule broken, and expects them to fail for it.
#   broken-lease         a leader reads without looking at its lease: an old leader answers with what it had
#   broken-apply-index   the applied index is not in the batch: after a restart entries are applied twice, which shows in what
#                        clients see, or in lists whose ends do not fit any more: the nodes take their stores for damaged
set -euo pipefail
cd "$(dirname "$0")/.."
. .build/lib.sh
choose_toolchain
target=${CARGO_TARGET_DIR:-$PWD/target}/broken

prove() {
    local feature=$1 faults=$2 expected=$3 output
    say "a server with $feature, under $faults"
    cargo build --locked --bin flotilla --features "$feature" --target-dir "$target"
    output=$(FLOTILLA_BIN=$target/debug/flotilla CHAOS_SECONDS=120 CHAOS_FAULTS=$faults \
        cargo test --locked -p resp-tests --test chaos -- --nocapture 2>&1) && die "$feature was NOT noticed"
    grep -Eq "$expected" <<<"$output" || { tail -30 <<<"$output" >&2; die "$feature: the test failed for another reason"; }
    say "$feature was noticed: $(grep -Eo -m1 "$expected" <<<"$output")"
}

prove broken-lease PauseLeader,IsolateLeader,MuteLeader 'not linearizable|transactions in a cycle'
prove broken-apply-index Rolling,KillAll 'is there twice|twice in the journal|by the journal|reads disagree|states differ|not linearizable|came out twice|is the most|handed out|is damaged: '
say "both were noticed"
