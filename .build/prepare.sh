#!/usr/bin/env bash
# Makes this machine able to build Flotilla: C++ compiler, libclang, locked crates, RocksDB. Quick when all is there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

# Prints the directory of a libclang that bindgen would not find by itself; nothing if it finds one. Status 1: there is none.
find_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        return 0
    fi
    local file
    for file in {/usr/lib/llvm-*/lib,/usr/lib/*-linux-gnu,/usr/lib,/usr/lib64,/usr/local/lib}/libclang{,-[0-9]*}.so*; do
        [ -e "$file" ] && return 0
    done
    for file in "$cache"/libclang/lib/python3*/site-packages/clang/native/libclang.so; do
        [ -e "$file" ] && dirname "$file" && return 0
    done
    return 1
}

# libclang from PyPI, for machines where apt cannot be used.
libclang_by_pip() {
    command -v python3 >/dev/null || return 1
    local venv=$cache/libclang
    say "installing libclang from PyPI into $venv"
    python3 -m venv "$venv" >&2 && "$venv/bin/pip" install --quiet 'libclang==18.1.1' >&2
}

choose_toolchain

command -v g++ >/dev/null && command -v make >/dev/null || apt_install g++ make ||
    die "a C++20 compiler is missing and cannot be installed by this user: install g++ (12 or later)"

if ! libclang=$(find_libclang); then
    apt_install libclang1-14 || apt_install libclang-dev || libclang_by_pip ||
        die "libclang is missing and cannot be installed by this user: install libclang-dev, or set LIBCLANG_PATH"
    libclang=$(find_libclang) || die "libclang was installed but is not found; set LIBCLANG_PATH to its directory"
fi
[ -z "$libclang" ] || export LIBCLANG_PATH="$libclang"

cargo fetch --locked --quiet 2>/dev/null || cargo fetch --locked ||
    cargo fetch --locked --offline || die "the crates of Cargo.lock cannot be fetched"

exec "$root/.build/rocksdb.sh"
