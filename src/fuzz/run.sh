#!/usr/bin/env bash
# Fuzzes: `run.sh SECONDS [TARGET...]`, that long each, all targets by default. 0 seconds = only what is in corpus/.
# Needs a stable compiler only. New inputs and crashes go to target/fuzz/; what is worth keeping is copied to corpus/ by hand.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
if [ $# -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^    ("\([a-z_]*\)", targets::.*/\1/p' "$here/main.rs")
else
    targets=("$@")
fi

# What cargo-fuzz passes as well: counters per edge and comparisons that libFuzzer can see through.
flags=(-Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ccodegen-units=1)
# Named, so that build scripts and procedural macros are not instrumented: they have no fuzzer to report to.
host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-target}/fuzz
# Not --locked: the product's manifest is part of what this lock file describes, and changes without it.
RUSTFLAGS="${flags[*]}" cargo build --quiet --manifest-path "$here/Cargo.toml" --target "$host" --target-dir "$out"

failed=()
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target" "$out/crashes" "$here/corpus/$target"
    limit=(-max_total_time="$seconds")
    [ "$seconds" -gt 0 ] || limit=(-runs=0)
    log=$out/$target.log
    if FUZZ_TARGET=$target "$out/$host/debug/fuzz" "${limit[@]}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$out/crashes/$target-" "$out/corpus/$target" "$here/corpus/$target" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        printf '%-10s ok, %s inputs, %s edges\n' "$target" "$runs" "$edges"
    else
        failed+=("$target")
        printf '%-10s FAILED, see %s\n' "$target" "$log"
        tail -n 30 "$log"
    fi
done
printf '%d passed, %d failed\n' $((${#targets[@]} - ${#failed[@]})) "${#failed[@]}"
[ ${#failed[@]} -eq 0 ]
