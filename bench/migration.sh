#!/usr/bin/env bash
# Moves a redis-server in that takes writes all the time, with its connections cut on the way, compares all keys, and moves them out
# again. Needs the optimised program (`make build`), redis-server, redis-cli and perl. usage: bench/migration.sh [KEYS] [WRITES A SECOND] [CUTS]
set -euo pipefail
cd "$(dirname "$0")/.."
keys=${1:-5000000} rate=${2:-2000} cuts=${3:-10}
program=${FLOTILLA_BIN:-target/release/flotilla}
place=$(mktemp -d)
source=7911 own=7912 back=7913
started=()
end() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" || true; done
    rm -rf "$place"
}
trap end EXIT

redis() {
    mkdir -p "$place/redis-$1"
    redis-server --port "$1" --dir "$place/redis-$1" --save '' --repl-backlog-size 256mb "${@:2}" >"$place/redis-$1/log" 2>&1 &
    started+=($!)
    until [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]; do sleep 0.2; done
}
now() { date +%s.%N; }
spent() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }
moving() { "$program" admin replicate-from "$@" --server 127.0.0.1:$own; }
# A field of the state as JSON.
told() { moving --status --json | tr ',{}' '\n\n\n' | sed -n "s/^\"$1\": *\"\{0,1\}\([^\"]*\).*/\1/p" | head -n 1; }

redis $source
# 70 % strings of 100 bytes, the rest hashes, sets, sorted sets and lists of five elements; one key in ten expires in a day.
perl -e 'my ($keys) = @ARGV; srand 1; sub put { print "*" . @_ . "\r\n"; print "\$" . length($_) . "\r\n$_\r\n" for @_ }
    for my $n (1 .. $keys) {
        my ($key, $kind) = ("key:$n", $n % 20);
        if ($kind < 14) { put("SET", $key, sprintf("%-100s", "value $n"), $kind < 2 ? ("EX", 86400) : ()) }
        elsif ($kind < 16) { put("HSET", $key, map { ("field$_", "value$n") } 1 .. 5) }
        elsif ($kind < 17) { put("SADD", $key, map { "member$_" } 1 .. 5) }
        elsif ($kind < 18) { put("ZADD", $key, map { ($n + $_, "member$_") } 1 .. 5) }
        else { put("RPUSH", $key, map { "element$_" } 1 .. 5) }
    }' "$keys" | redis-cli -p $source --pipe >/dev/null
echo "source: $(redis-cli -p $source dbsize) keys, $(redis-cli -p $source info memory | sed -n 's/^used_memory_human:\(.*\)\r/\1/p')"

# So many writes a second: counters, strings, entries of streams and elements of lists. Waits where the source pauses it.
perl -MIO::Socket::INET -MTime::HiRes=sleep,time -e 'my ($port, $rate, $keys) = @ARGV; srand 2;
    my $socket = IO::Socket::INET->new("127.0.0.1:$port") or die; binmode $socket; my ($done, $since) = (0, time);
    sub words { "*" . @_ . "\r\n" . join("", map { "\$" . length($_) . "\r\n$_\r\n" } @_) }
    while (1) {
        my ($text, $count) = ("", 0);
        while ($done < (time() - $since) * $rate && $count < 200) {
            my ($n, $kind) = (1 + int rand $keys, $done % 4);
            $text .= $kind == 0 ? words("INCR", "counter:" . $n % 1000) : $kind == 1 ? words("SET", "new:" . $n, "x" x 100)
                : $kind == 2 ? words("XADD", "stream:" . $n % 100, "*", "n", $done) : words("RPUSH", "list:" . $n % 10000, $done);
            $done++; $count++;
        }
        if ($count) {
            print $socket $text;
            for (1 .. $count) { my $line = <$socket>; die $line if $line =~ /^-/; if ($line =~ /^\$(\d+)/) { read $socket, my $rest, $1 + 2 } }
        }
        sleep 0.005;
    }' $source "$rate" "$keys" &
load=$!
started+=($load)

mkdir -p "$place/data"
"$program" --port $own --peer-port 7914 --http-port 7915 --data-dir "$place/data" >"$place/log" 2>&1 &
started+=($!)
until [ "$(redis-cli -p $own ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
from=$(now)
moving redis://127.0.0.1:$source --pause-seconds 120 >/dev/null
until [ "$(told phase)" = following ]; do sleep 0.5; done
took=$(spent "$from")
awk -v k="$keys" -v t="$took" -v r="$rate" 'BEGIN { printf "first copy: %.1f s, %.0f keys a second, beside %d writes a second\n", t, k / t, r }'
for cut in $(seq "$cuts"); do
    redis-cli -p $source client kill type replica >/dev/null
    sleep 3
done
lag=$(told lag_bytes)
echo "after $cuts cuts: $(told full_syncs) full and $(told partial_syncs) partial resyncs, $lag bytes behind"
from=$(now)
moving --cut-over 2>/dev/null
echo "cut-over: $(spent "$from") s, writes of the source paused meanwhile"
# What it has sent meanwhile waits for the end of the pause, and goes with it.
kill -9 $load
wait $load 2>/dev/null || true
from=$(now)
"$program" admin compare redis://127.0.0.1:$source --server 127.0.0.1:$own | tail -n 3 || true
echo "compared in $(spent "$from") s"

from=$(now)
"$program" export --from 127.0.0.1:$own "$place/out.rdb" 2>/dev/null | tail -n 1
echo "exported in $(spent "$from") s, $(du -m "$place/out.rdb" | cut -f 1) MiB"
mkdir -p "$place/redis-$back"
mv "$place/out.rdb" "$place/redis-$back/dump.rdb"
redis $back
until [ "$(redis-cli -p $back info persistence | sed -n 's/^loading:\(.*\)\r/\1/p')" = 0 ]; do sleep 0.5; done
"$program" admin compare redis://127.0.0.1:$back --server 127.0.0.1:$own | tail -n 3
