#!/usr/bin/env bash
# Two builds in interleaved rounds: this tree's, and "base", the one of a revision. usage: bench-compare.sh REVISION [ARGUMENTS OF bench]
# The revision is built in a work tree of its own below the target directory; its program is kept for the next time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
choose_toolchain

revision=$(git -C "$root" rev-parse --short=12 "${1:?usage: bench-compare.sh REVISION [ARGUMENTS OF bench]}^{commit}")
shift
target=${CARGO_TARGET_DIR:-$root/target}
kept=$target/bench-compare
base=$kept/flotilla-$revision
if [ ! -x "$base" ]; then
    tree=$kept/tree
    rm -rf "$tree"
    git -C "$root" worktree prune
    git -C "$root" worktree add --quiet --detach "$tree" "$revision"
    trap 'git -C "$root" worktree remove --force "$tree"' EXIT
    # Says where RocksDB lies.
    mkdir -p "$tree/.cargo"
    cp "$root/.cargo/config.toml" "$tree/.cargo/" 2>/dev/null || true
    say "building $revision"
    (cd "$tree" && CARGO_TARGET_DIR=$kept/target cargo build --locked --release --bin flotilla)
    cp "$kept/target/release/flotilla" "$base"
fi
cargo run --locked --release -p bench -- --flotilla "$target/release/flotilla" --base "$base" "$@"
