# Installs a Debian package for real, into a layer over this machine's file system that is thrown away, and runs its service's command line
# as its user, without capabilities, on a file system that cannot be written but for the data. Run as root in name spaces of its own
# (mount, network, process); $1: an empty directory, $2: the package. Prints `ok: …` for each thing that held.
set -eu
place=$1 package=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "ok: $*"; }
die() { echo "WRONG: $*"; exit 1; }
same() { [ "$2" = "$3" ] || die "$1: '$2', not '$3'"; say "$1"; }

mount -t tmpfs -o mode=755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root" "$place/state"
root=$place/root
mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" overlay "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
ip link set lo up
cp "$package" "$root/tmp/flotilla.deb"
within() { chroot "$root" "$@"; }
# Small installations leave manual pages out.
install() { within dpkg --path-include='*' --install /tmp/flotilla.deb >"$place/dpkg.log" 2>&1 || { cat "$place/dpkg.log"; die "dpkg --install"; }; }

install
same "the user has the image's number" "$(within id -u flotilla):$(within id -g flotilla)" 10001:10001
config=/etc/flotilla/flotilla.toml
same "only root and the service read the parameters" "$(within stat -c '%U:%G %a' $config)" "root:flotilla 640"
same "the parameters are a conffile" "$(within dpkg-query -W -f '${Conffiles}' flotilla | awk '{print $1}')" "$config"
same "the service is not enabled" "$(within systemctl is-enabled flotilla.service 2>&1 || true)" disabled
for page in flotilla flotilla-admin flotilla-admin-replace; do within man -w "$page" >/dev/null || die "no page $page"; done
say "manual pages are found"
within bash -c 'source /usr/share/bash-completion/completions/flotilla && complete -p flotilla' >/dev/null
say "bash completes"
unit=$(within find /usr/lib/systemd/system /lib/systemd/system -name flotilla.service | head -n 1)
[ -n "$unit" ] || die "there is no unit"
within systemd-analyze verify "$unit" || die "systemd-analyze verify"
say "systemd understands the unit"
within systemd-analyze security --offline=yes --threshold=20 --no-pager "$unit" >"$place/security.log" 2>&1 || { tail -n 5 "$place/security.log"; die "the unit is exposed"; }
say "the unit is confined: $(tail -n 1 "$place/security.log" | grep -o 'flotilla.service: [0-9.]*')"

# As systemd would: StateDirectory, user, no capabilities, ProtectSystem=strict.
grep -q '^StateDirectory=flotilla$' "$root$unit" && grep -q '^User=flotilla$' "$root$unit" && grep -q '^ProtectSystem=strict$' "$root$unit" || die "another unit"
command=$(sed -n 's/^ExecStart=//p' "$root$unit" | sed 's|%S|/var/lib|g')
within sh -c 'mkdir /var/lib/flotilla'
mount --bind "$place/state" "$root/var/lib/flotilla"
within chown flotilla:flotilla /var/lib/flotilla
within chmod 0700 /var/lib/flotilla
start() {
    mount -o remount,ro "$root"
    # shellcheck disable=SC2086 # its words
    chroot "$root" setpriv --reuid=flotilla --regid=flotilla --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all $command >"$place/service.log" 2>&1 &
    service=$!
    tries=0
    until within flotilla admin health --ready >/dev/null 2>&1; do
        tries=$((tries + 1))
        kill -0 "$service" 2>/dev/null && [ "$tries" -lt 300 ] || { cat "$place/service.log"; die "the service is not ready"; }
        sleep 0.2
    done
}
stop() {
    kill -TERM "$service"
    status=0
    wait "$service" || status=$?
    same "the service stops when told" "$status" 0
    mount -o remount,rw "$root"
}
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$service/status" "$root/proc/$service/status" 2>/dev/null | head -n 1; }

start
say "the unit's command line serves: $command"
same "without privileges" "$(status Uid | cut -f 1) $(status CapEff) $(status NoNewPrivs)" "10001 0000000000000000 1"
if within setpriv --reuid=flotilla --regid=flotilla --clear-groups sh -c ': >/var/lib/probe' 2>/dev/null; then die "it can write outside its data"; fi
say "it can write nothing but its data"
same "a client is served" "$(within redis-cli set city Lisbon)" OK

# An upgrade.
mount -o remount,rw "$root"
within chmod 0600 $config
echo '# changed here' >>"$root$config"
install
kill -0 "$service" || die "an upgrade stopped the service"
same "an upgrade lets the service go on" "$(within redis-cli get city)" Lisbon
same "an upgrade leaves what was set" "$(within stat -c %a $config) $(tail -n 1 "$root$config")" "600 # changed here"
within chmod 0640 $config
stop
start
same "data are there after a restart" "$(within redis-cli get city)" Lisbon
stop

# Removal.
within dpkg --remove flotilla >/dev/null 2>&1
[ ! -e "$root/usr/bin/flotilla" ] && [ -e "$root$config" ] && [ -d "$place/state/data" ] || die "remove"
say "removing keeps parameters and data"
within dpkg --purge flotilla >"$place/purge.log" 2>&1
[ -d "$place/state/data/store" ] && [ ! -e "$root$config" ] || die "purge took the data, or left the parameters"
grep -q "the data stay in /var/lib/flotilla" "$place/purge.log" || { cat "$place/purge.log"; die "it does not say where the data are"; }
say "purging keeps the data, and says where"
umount "$root/var/lib/flotilla"
within sh -c 'mkdir -p /var/lib/flotilla/data && touch /var/lib/flotilla/data/old'
install
[ -e "$root/var/lib/flotilla/data/old" ] || die "installing took the data"
echo "flotilla flotilla/purge-data boolean true" | within debconf-set-selections
within dpkg --purge flotilla >/dev/null 2>&1
[ ! -e "$root/var/lib/flotilla" ] || die "purging keeps the data although that was not wanted"
say "purging deletes the data if it was told so"
