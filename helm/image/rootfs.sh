#!/bin/sh
# Makes the root file system of the image: the program, the libraries that it is linked to, and nothing else.
# usage: rootfs.sh PROGRAM DIRECTORY
set -eu
program=$1 root=$2
mkdir -p "$root/usr/bin" "$root/etc/flotilla" "$root/var/lib/flotilla" "$root/tmp" "$root/proc" "$root/dev" "$root/sys"
chmod 1777 "$root/tmp"
cp "$program" "$root/usr/bin/flotilla"
chmod 755 "$root/usr/bin/flotilla"
# The loader is the one line without an arrow.
ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
# For object stores, where backups go.
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -f "$bundle" ]; then
    mkdir -p "$root/etc/ssl/certs"
    cp -L "$bundle" "$root$bundle"
fi
echo 'flotilla:x:10001:10001:Flotilla:/var/lib/flotilla:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'flotilla:x:10001:' >"$root/etc/group"
# Names come from the cluster's DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
[ "$(id -u)" != 0 ] || chown 10001:10001 "$root/var/lib/flotilla"
