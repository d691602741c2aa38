#!/usr/bin/env bash
# Checks, on an x86-64 machine, that Flotilla compiles for aarch64: all of the Rust code with the C libraries that its crates compile, and a part of
# RocksDB with the flags that it gets there. Nothing is linked or run. Needs Debian's cross compiler, which it installs if it may.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
choose_toolchain

target=aarch64-unknown-linux-gnu
tools=aarch64-linux-gnu
command -v $tools-g++ >/dev/null || apt_install g++-$tools ||
    die "the cross compiler is missing and cannot be installed by this user: install g++-$tools"
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add $target ||
    die "the Rust standard library for $target is missing: rustup target add $target"
headers=$($tools-g++ -print-file-name=include)

say "a part of RocksDB with the flags for aarch64"
# From a fresh directory: what was compiled once is not compiled again.
part=$(mktemp -d)
trap 'rm -rf "$part"' EXIT
env -u ROCKSDB_LIB_DIR CXX=$tools-g++ FLOTILLA_CACHE="$part" FLOTILLA_ROCKSDB_ONLY=${UNIT:-u7} .build/rocksdb.sh
object=$(find "$part" -name '*.o' | head -n 1)
[ "$(LC_ALL=C readelf -h "$object" | sed -n 's/^ *Machine: *//p')" = AArch64 ] || die "$object is not of aarch64"

say "cargo check for $target"
export ROCKSDB_LIB_DIR=$part ROCKSDB_STATIC=1
export CC_aarch64_unknown_linux_gnu=$tools-gcc CXX_aarch64_unknown_linux_gnu=$tools-g++ AR_aarch64_unknown_linux_gnu=$tools-ar
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$tools-gcc
export BINDGEN_EXTRA_CLANG_ARGS="--target=$tools -I$headers -I/usr/$tools/include"
cargo check --locked --workspace --bins --target $target
say "it compiles"
