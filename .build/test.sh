#!/usr/bin/env bash
# Runs every test program of the workspace, several at once: most of them wait for servers, elections and deadlines, and
# leave the processor to the others.
#
#   TEST_JOBS=4        programs that run at once; without it two per processor
#   RUST_TEST_THREADS  tests that run at once within a program; without it two
#
# The servers under test are optimised, with all assertions: unoptimised ones are so busy, mostly in openraft, that several
# programs at once would wait for nothing but the processor.
#
# Each program has a file of its own for what it prints (target/test-logs), a time limit, and its package's directory to run
# in, as cargo would give it. Nothing is skipped: a program that is not named below runs as well, after those that are.
# The exit code is 0 if every program ended with 0 and counted its tests.
#
# One exception, said loudly: up to two failed tests of a program that waits for elections of real processes run once more,
# alone on the machine. If they pass, they are FLAKY: named, with all that the first run printed, and to be mended. A program
# that judges what data is (chaos, crash, simulation, damage, differential, unit, ...) is never asked twice.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
choose_toolchain

jobs=${TEST_JOBS:-$(($(nproc) * 2))}
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-2}
target=${CARGO_TARGET_DIR:-$root/target}
logs=$target/test-logs
# The slowest, which compiles two builds of its own, takes half of this on a cold machine with two cores.
limit_seconds=${TEST_LIMIT_SECONDS:-2400}

# The longest first, so that none is left over at the end.
first=(chaos upgrade cluster unit simulation edge wan clients disk damage hostile crash rdb departed)

# The unit tests are two jobs, of which one is the simulation.
simulation=replication::tests::simulation

# Programs whose tests wait for what several processes do, and so depend on how busy the machine is.
timed=(cluster edge wan clients upgrade)

# Who gives way to whom, see nice(1). The chaos tests look at how much clients get done, and those over networks at how soon.
# The simulation has a clock of its own, so it may be as slow as it likes.
priority_of() {
    case $1 in
        chaos | wan) echo 0 ;;
        simulation) echo 15 ;;
        *) echo 7 ;;
    esac
}

# name, directory, program and arguments of each job, by tabs.
list_jobs() {
    local line directory kind name program
    while read -r line; do
        [[ $line =~ \"profile\":\{[^}]*\"test\":true\} && $line =~ \"executable\":\"([^\"]+)\" ]] || continue
        program=${BASH_REMATCH[1]}
        [[ $line =~ \"manifest_path\":\"([^\"]+)/Cargo.toml\" ]] && directory=${BASH_REMATCH[1]}
        [[ $line =~ \"target\":\{\"kind\":\[\"([a-z]+)\"[^]]*\],[^}]*\"name\":\"([^\"]+)\" ]] || continue
        kind=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
        case $directory:$kind in
            "$root:lib")
                printf 'simulation\t%s\t%s\t%s\n' "$directory" "$program" "$simulation"
                printf 'unit\t%s\t%s\t--skip %s\n' "$directory" "$program" "$simulation"
                ;;
            *:test) printf '%s\t%s\t%s\t\n' "$name" "$directory" "$program" ;;
            *) printf '%s-%s\t%s\t%s\t\n' "$name" "$kind" "$directory" "$program" ;;
        esac
    done
}

# The jobs in the order in which they start.
in_order() {
    awk -F '\t' -v names="${first[*]}" '
        BEGIN { count = split(names, order, " ") }
        { job[NR] = $0; name[NR] = $1 }
        END {
            for (at = 1; at <= count; at++)
                for (n = 1; n <= NR; n++) if (name[n] == order[at]) { print job[n]; done[n] = 1 }
            for (n = 1; n <= NR; n++) if (!done[n]) print job[n]
        }'
}

# How to run one job again: arguments of `make test`.
again() {
    case $1 in
        simulation) printf 'make test ARGS="-p flotilla --lib %s"' "$simulation" ;;
        unit) printf 'make test ARGS="-p flotilla --lib -- --skip %s"' "$simulation" ;;
        *-lib) printf 'make test ARGS="-p %s --lib"' "${2##*/}" ;;
        *-bin) printf 'make test ARGS="-p %s --bin %s"' "$(sed -n 's/^name = "\(.*\)"/\1/p' "$2/Cargo.toml" | head -n 1)" "${1%-bin}" ;;
        *) printf 'make test ARGS="-p %s --test %s"' "${2##*/}" "$1" ;;
    esac
}

# One job to its end. Leaves NAME.log, and NAME.ok if all is well.
run_job() {
    local name=$1 directory=$2 program=$3 arguments=$4 status=0 tests wall user system
    local log=$logs/$name.log
    local TIMEFORMAT='%R %U %S'
    # timeout(1) leads a process group of its own: a program that hangs ends together with the servers that it started.
    # shellcheck disable=SC2086 # arguments are words
    { time { (
        echo "$BASHPID" >"$logs/$name.pid"
        cd "$directory" && CARGO_MANIFEST_DIR=$directory \
            exec nice -n "$(priority_of "$name")" timeout --kill-after 20 "$limit_seconds" "$program" $arguments
    ) >"$log" 2>&1 </dev/null; }; } 2>"$logs/$name.time" || status=$?
    rm -f "$logs/$name.pid"
    tests=$(sed -n 's/^test result: .*[.;] \([0-9]*\) passed.*/\1/p' "$log" | tail -n 1)
    read -r wall user system < <(tail -n 1 "$logs/$name.time") || true
    if [ "$status" = 0 ] && [ -n "$tests" ]; then
        printf '%s\n' "$tests" >"$logs/$name.ok"
        printf 'ok      %-20s %4d tests %6.0f s, %5.0f s of processor time\n' "$name" "$tests" "$wall" "$(add "$user" "$system")"
    else
        case $status in
            124 | 137) printf 'FAILED  %s: not done within %s s\n' "$name" "$limit_seconds" ;;
            0) printf 'FAILED  %s: it ended without a result\n' "$name" ;;
            *) printf 'FAILED  %s: exit code %s after %.0f s\n' "$name" "$status" "$wall" ;;
        esac
    fi
}

add() { awk -v a="$1" -v b="$2" 'BEGIN { print a + b }'; }

# The failed tests of a job that may run again: of a program in `timed`, and at most two.
failed_tests() {
    local name=$1 names
    [[ " ${timed[*]} " == *" $name "* ]] || return 1
    grep -q '^test result: FAILED' "$logs/$name.log" || return 1
    mapfile -t names < <(awk '/^failures:$/ { count = 0; next } /^    [a-z_0-9:]+$/ { name[count++] = $1 }
        END { for (n = 0; n < count; n++) print name[n] }' "$logs/$name.log")
    [ "${#names[@]}" -ge 1 ] && [ "${#names[@]}" -le 2 ] && printf '%s\n' "${names[@]}"
}

# What a failed job printed of its failures, or its last lines.
tell() {
    local log=$logs/$1.log
    printf '\n===== %s (%s)\n' "$1" "$log"
    if grep -q '^failures:$' "$log"; then
        sed -n '/^failures:$/,$p' "$log" | head -n 400
    else
        tail -n 100 "$log"
    fi
}

# Ends what still runs, when this script is ended: each leads a group of its own, with the servers that it started.
end_jobs() {
    trap - INT TERM
    kill -TERM $(cat "$logs"/*.pid 2>/dev/null) 2>/dev/null
    die "ended by a signal"
}

say "building the test programs"
built=$(mktemp)
trap 'rm -f "$built"' EXIT
# With the packages of all members, so that `make sim` and this share what they compile.
cargo build --locked --profile sim --workspace --bin flotilla || die "the server does not build"
export FLOTILLA_BIN=${FLOTILLA_BIN:-$target/sim/flotilla}
cargo test --locked --workspace --no-run --message-format=json-render-diagnostics >"$built" || die "the tests do not build"
mapfile -t all < <(list_jobs <"$built" | in_order)
[ "${#all[@]}" -gt 0 ] || die "cargo named no test program"
rm -rf "$logs"
mkdir -p "$logs"
say "${#all[@]} test programs, $jobs at once, $RUST_TEST_THREADS tests at once in each; what they print is in $logs"
trap end_jobs INT TERM
for job in "${all[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    IFS=$'\t' read -r name directory program arguments <<<"$job"
    run_job "$name" "$directory" "$program" "$arguments" &
done
wait

failed=() flaky=() tests=0
for job in "${all[@]}"; do
    IFS=$'\t' read -r name directory program _ <<<"$job"
    if [ -s "$logs/$name.ok" ]; then
        tests=$((tests + $(cat "$logs/$name.ok")))
    elif names=$(failed_tests "$name"); then
        tell "$name"
        say "$name: once more, alone: ${names//$'\n'/ }"
        run_job "$name-again" "$directory" "$program" "--exact ${names//$'\n'/ }"
        if [ "$(cat "$logs/$name-again.ok" 2>/dev/null)" = "$(wc -l <<<"$names")" ]; then
            mapfile -t -O "${#flaky[@]}" flaky <<<"$names"
            tests=$((tests + $(sed -n 's/^test result: .*[.;] \([0-9]*\) passed.*/\1/p' "$logs/$name.log" | tail -n 1) + $(wc -l <<<"$names")))
        else
            failed+=("$name: $(again "$name" "$directory")")
            tell "$name-again"
        fi
    else
        failed+=("$name: $(again "$name" "$directory")")
        tell "$name"
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    printf '\n%s test programs failed; again, one alone:\n' "${#failed[@]}"
    printf '    %s\n' "${failed[@]}"
    exit 1
fi
if [ ${#flaky[@]} -gt 0 ]; then
    printf '\nFLAKY: %s tests failed beside the others and passed alone; see what they printed above:\n' "${#flaky[@]}"
    printf '    %s\n' "${flaky[@]}"
fi
say "$tests tests passed, $SECONDS s with building"
