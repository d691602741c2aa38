#!/usr/bin/env bash
# How fast a backup is beside a copy of the same bytes, what the next one sends, and what writes notice. Needs the optimised program
# (`make build`), redis-cli and redis-benchmark. usage: bench/backup.sh [KEYS] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
keys=${1:-2000000} rounds=${2:-5}
program=${FLOTILLA_BIN:-target/release/flotilla}
place=$(mktemp -d)
port=7901
server=
end() {
    [ -z "$server" ] || { kill "$server"; wait "$server" || true; }
    server=
}
trap 'end; rm -rf "$place"' EXIT

# A node that backs up into a directory of this round.
start() {
    "$program" --port $port --peer-port 7902 --http-port 7903 --data-dir "$place/data" --backup-to "file://$place/backup-$1" \
        --archive-interval 0 >>"$place/log" 2>&1 &
    server=$!
    until [ "$(redis-cli -p $port ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
}

now() { date +%s.%N; }
spent() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }
backup() { "$program" admin backup --server 127.0.0.1:$port; }
# The p99 in ms of SETs one at a time, 8 clients.
p99() { redis-benchmark -p $port -t set -c 8 -n "$1" -d 1000 -r "$keys" --csv | awk -F '","|"' '/^"SET"/ { print $7 }'; }

# Writes so many keys with a kilobyte that does not compress.
fill() {
    perl -e 'open R, "<:raw", "/dev/urandom"; binmode STDOUT; for my $n (1 .. $ARGV[0]) { my $key = "key:$n"; read R, my $value, 1000;
        print "*3\r\n\$3\r\nSET\r\n\$", length $key, "\r\n$key\r\n\$1000\r\n$value\r\n" }' "$1" | redis-cli -p $port --pipe >/dev/null
}

start 0
fill "$keys"
sleep 20
echo "keys $(redis-cli -p $port dbsize), data $(du -sm "$place/data" | cut -f 1) MiB"
for round in $(seq "$rounds"); do
    end
    start "$round"
    from=$(now)
    backup >"$place/told-$round"
    took=$(spent "$from")
    bytes=$(du -sb "$place/backup-$round" | cut -f 1)
    sync
    # The same files, copied and synced.
    from=$(now)
    cp -r "$place/backup-$round" "$place/copy"
    sync
    copied=$(spent "$from")
    awk -v r="$round" -v b="$bytes" -v t="$took" -v c="$copied" \
        'BEGIN { printf "round %d: %.0f MiB, backup %.2f s (%.0f MiB/s), copy %.2f s (%.0f MiB/s), ratio %.2f\n", r, b / 1048576, t, b / 1048576 / t, c, b / 1048576 / c, c / t }'
    rm -rf "$place/copy"
    [ "$round" = "$rounds" ] || rm -rf "$place/backup-$round"
done
before=$(du -sb "$place/backup-$rounds" | cut -f 1)
# Of a day in which one key in a hundred changes.
fill "$((keys / 100))"
from=$(now)
backup
took=$(spent "$from")
after=$(du -sb "$place/backup-$rounds" | cut -f 1)
awk -v a="$after" -v b="$before" -v t="$took" \
    'BEGIN { printf "the next one sent %.1f MiB, %.1f %% of the first, in %.2f s\n", (a - b) / 1048576, 100 * (a - b) / b, t }'
for round in $(seq "$rounds"); do
    end
    rm -rf "$place/backup-$round"
    start "$round"
    alone=$(p99 20000)
    backup >/dev/null &
    running=$!
    beside=$(p99 20000)
    still=$(kill -0 $running 2>/dev/null && echo yes || echo no)
    wait $running
    echo "round $round: SET p99 $alone ms alone, $beside ms beside a backup (it was still running at the end: $still)"
done
