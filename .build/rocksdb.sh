#!/usr/bin/env bash
# Builds the RocksDB that the librocksdb-sys crate carries, once per machine, and tells cargo where it is.
#
# The crate's own build compiles some 340 files one by one, once per profile and target directory: more than an hour of
# CPU time each. Here they are compiled as a few large units (most of the time goes into headers they share) into one
# archive in the cache directory, which all clones, profiles and target directories link. ADR 0006 has the figures.
#
# Invariants: the archive's name says everything it depends on; it appears by rename, so it is whole or absent; one
# process builds at a time; a build that was interrupted goes on with the units that are missing.
#
# FLOTILLA_ROCKSDB_ONLY=u3 compiles just that unit and stops: a quick check of flags on a new machine.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

units=8
cxx=${CXX:-g++}
# What it compiles for: this machine, or another (.build/aarch64.sh).
machine=$("$cxx" -dumpmachine)
machine=${machine%%-*}

flags=(-O2 -fPIC -std=c++20 -DNDEBUG -w -include cstdint -ffunction-sections -fdata-sections
    -DLZ4=1 -DZSTD=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
    -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
    -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT)
# RocksDB picks its CRC32C at compile time; without these it takes the table, several times slower.
case $machine in
    x86_64) flags+=(-msse4.2 -mpclmul) ;;
    aarch64) flags+=(-march=armv8-a+crc+aes+crypto) ;;
esac

main() {
    if [ -n "${ROCKSDB_LIB_DIR:-}" ]; then
        say "ROCKSDB_LIB_DIR is set: linking $ROCKSDB_LIB_DIR, nothing to build"
        return
    fi
    find_sources
    local name directory
    name=rocksdb-$(key)
    directory=$cache_wanted/$name
    [ -s "$directory/librocksdb.a" ] || directory=$cache/$name
    mkdir -p "$directory"
    if [ ! -s "$directory/librocksdb.a" ]; then
        exec 9>"$directory/lock"
        flock -n 9 || { say "another process is building RocksDB; waiting"; flock 9; }
        [ -s "$directory/librocksdb.a" ] || build "$directory"
        exec 9>&-
    fi
    if [ -z "${FLOTILLA_ROCKSDB_ONLY:-}" ] && [ "$machine" = "$(uname -m)" ]; then configure_cargo "$directory"; fi
}

# Where cargo put the sources of the locked crates.
find_sources() {
    local manifests
    manifests=$(cargo metadata --format-version 1 --locked --offline | tr ',' '\n' |
        sed -n 's|^"manifest_path":"\(.*\)/Cargo.toml"$|\1|p')
    crate=$(grep '/librocksdb-sys[^/]*$' <<<"$manifests") || die "librocksdb-sys is not in Cargo.lock"
    zstd=$(grep '/zstd-sys[^/]*$' <<<"$manifests")/zstd/lib || die "zstd-sys is not in Cargo.lock"
    lz4=$(grep '/lz4-sys[^/]*$' <<<"$manifests")/liblz4/lib || die "lz4-sys is not in Cargo.lock"
    includes=(-I "$crate/rocksdb/include" -I "$crate/rocksdb" -I "$crate" -I "$zstd" -I "$lz4"
        -I "$crate/rocksdb/third-party/gtest-1.8.1/fused-src")
}

# crate version, compiler, machine, and a hash of what else decides the archive's content.
key() {
    local version compiler hash
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$crate/Cargo.toml" | sed -n 1p)
    compiler=$("$cxx" -dumpversion)
    hash=$( (
        "$cxx" --version | sed -n 1p
        printf '%s\n' "$units" "${flags[@]}" "${zstd%/zstd/lib}" "${lz4%/liblz4/lib}" | sed 's|.*/||'
    ) | sha256sum | cut -c 1-8)
    printf '%s-cxx%s-%s-%s\n' "${version//+/_}" "$compiler" "$machine" "$hash"
}

build() {
    local directory=$1 jobs start=$SECONDS
    check_features
    write_units "$directory"
    jobs=$(job_count)
    say "building RocksDB into $directory: $units units, $jobs at a time; a few minutes, once per machine"
    export directory crate cxx
    export flag_lines
    flag_lines=$(printf '%s\n' "${flags[@]}" "${includes[@]}")
    export -f compile say
    # The lock must not be inherited: a compiler that outlives this script would hold it.
    list_units | xargs -P "$jobs" -I '{}' bash -c 'compile "{}"' "$0" 9>&- ||
        die "RocksDB did not compile; the compiler's messages are above and in $directory/*.log"
    [ -z "${FLOTILLA_ROCKSDB_ONLY:-}" ] || { say "compiled $FLOTILLA_ROCKSDB_ONLY only"; return 0; }
    local objects=()
    mapfile -t objects < <(list_units | sed "s|.*|$directory/&.o|")
    rm -f "$directory/librocksdb.a.new"
    ar crs "$directory/librocksdb.a.new" "${objects[@]}"
    sync "$directory/librocksdb.a.new"
    mv "$directory/librocksdb.a.new" "$directory/librocksdb.a"
    rm -f "$directory"/*.o "$directory"/*.cc "$directory"/*.log
    say "RocksDB is built, $((SECONDS - start)) s"
}

list_units() {
    if [ -n "${FLOTILLA_ROCKSDB_ONLY:-}" ]; then
        printf '%s\n' "$FLOTILLA_ROCKSDB_ONLY"
        return
    fi
    local number
    for ((number = 0; number < units; number++)); do printf 'u%d\n' "$number"; done
    printf 'build_version\n'
}

# One unit, named without suffix. The object appears by rename, so one that is there is whole.
compile() {
    local unit=$1 flags start=$SECONDS
    local object=$directory/$unit.o
    [ ! -s "$object" ] || return 0
    mapfile -t flags <<<"$flag_lines"
    if ! "$cxx" "${flags[@]}" -c "$directory/$unit.cc" -o "$object.new" 2>"$directory/$unit.log"; then
        cat "$directory/$unit.log" >&2
        # 255 makes xargs stop at once.
        exit 255
    fi
    mv "$object.new" "$object"
    say "$unit: $((SECONDS - start)) s"
}

# Units of about equal source size; files stay in their order, because neighbours share headers.
write_units() {
    local directory=$1
    rm -f "$directory"/*.cc
    grep -v -e build_version.cc -e '^[[:space:]]*$' "$crate/rocksdb_lib_sources.txt" | tr -d '\r' |
        sed "s|^[[:space:]]*|$crate/rocksdb/|" | xargs -d '\n' stat -c '%s %n' |
        awk -v units="$units" -v directory="$directory" '
            { size[NR] = $1; file[NR] = substr($0, index($0, " ") + 1); total += $1 }
            END {
                unit = 0; sum = 0
                for (n = 1; n <= NR; n++) {
                    if (sum > total * (unit + 1) / units && unit + 1 < units) unit++
                    printf "#include \"%s\"\n", file[n] > (directory "/u" unit ".cc")
                    sum += size[n]
                }
            }'
    printf '#include "%s"\n' "$crate/build_version.cc" >"$directory/build_version.cc"
}

# A unit takes up to 1.7 GB of memory.
job_count() {
    local available jobs
    available=$(awk '/^MemAvailable:/ { print int($2 / 1024 / 2000) }' /proc/meminfo)
    jobs=$(nproc)
    [ "$jobs" -le "$units" ] || jobs=$units
    [ "$jobs" -le "${available:-1}" ] || jobs=${available:-1}
    [ "$jobs" -ge 1 ] || jobs=1
    printf '%s\n' "$jobs"
}

# The defines above stand for one set of crate features; another set needs other defines.
check_features() {
    local features
    features=$(cargo tree --locked --offline -p librocksdb-sys --depth 0 -f '{f}' 2>/dev/null | sed -n 1p)
    case ,$features, in
        *,snappy,* | *,zlib,* | *,bzip2,* | *,jemalloc,* | *,io-uring,* | *,rtti,*)
            die "librocksdb-sys has features [$features] that .build/rocksdb.sh does not know; add their defines" ;;
        *,lz4,*zstd,*) ;;
        *) die "librocksdb-sys has features [$features]; .build/rocksdb.sh expects lz4 and zstd" ;;
    esac
}

# Cargo reads this for every call in the clone, whatever the profile; values from the environment go before it.
configure_cargo() {
    local directory=$1 file=$root/.cargo/config.toml text
    local mark='# Written by .build/rocksdb.sh; not in git; may be deleted (then cargo builds RocksDB by itself, slowly).'
    text=$(
        printf '%s\n[env]\n' "$mark"
        printf 'ROCKSDB_LIB_DIR = "%s"\nROCKSDB_STATIC = "1"\n' "$directory"
        # libclang alone lacks the compiler's own headers (stdbool.h and the like); gcc's serve.
        printf 'BINDGEN_EXTRA_CLANG_ARGS = "-I%s"\n' "$("$cxx" -print-file-name=include)"
        [ -z "${LIBCLANG_PATH:-}" ] || printf 'LIBCLANG_PATH = "%s"\n' "$LIBCLANG_PATH"
    )
    if [ -e "$file" ] && [ "$(sed -n 1p "$file")" != "$mark" ]; then
        say "$file is yours and stays; it needs:"
        printf '%s\n' "$text" >&2
        return
    fi
    [ -e "$file" ] && [ "$(cat "$file")" = "$text" ] && return
    mkdir -p "${file%/*}"
    printf '%s\n' "$text" >"$file.new"
    mv "$file.new" "$file"
}

main
