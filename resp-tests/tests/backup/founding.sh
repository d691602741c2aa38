# As the Helm chart restores at install: two pods of three wait, the volume of the first one is filled, twice by mistake, then it starts. Run
# in name spaces of its own (network, process); $1: the program, $2: an empty directory, $3: where a backup is.
set -eu
flotilla=$1 home=$2 from=$3
die() { echo "WRONG: $*"; tail -n 3 "$home"/*.log; exit 1; }
ip link set lo up
founders="core-0=127.0.0.1:7380,core-1=127.0.0.1:7381,core-2=127.0.0.1:7382"
start() {
    "$flotilla" --port "638$1" --peer-port "738$1" --http-port "838$1" --data-dir "$home/$1" --node-name "core-$1" \
        --peer-address "127.0.0.1:738$1" --cluster "$founders" --join 127.0.0.1:7380,127.0.0.1:7381,127.0.0.1:7382 \
        --peer-insecure yes >"$home/$1.log" 2>&1 &
}
start 1
start 2
for attempt in first second; do
    "$flotilla" restore --from "$from" --data-dir "$home/0" --if-empty --node-name core-0 --peer-address 127.0.0.1:7380 >"$home/$attempt.log" 2>&1 ||
        die "the $attempt restore failed"
done
grep -q 'nothing was restored' "$home/second.log" || die "what was restored was not left alone"
start 0
tries=0
until [ "$("$flotilla" admin status --server 127.0.0.1:6380 2>/dev/null | grep -cE '^core-[0-2] +(leader|voter) +yes')" = 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || die "no core of three came of it"
    sleep 0.2
done
for port in 6380 6381 6382; do
    [ "$(redis-cli -p "$port" get city)" = Lisbon ] || die "the data are not at $port"
done
[ "$(redis-cli -p 6381 set more 1)" = OK ] || die "it takes no writes"
echo "ok: a core of three with the data"
