# Shared by the scripts of this directory; sourced, never run. Needs bash and coreutils only.
#
# Invariant: nothing is installed or written outside the clone but Debian packages (through apt) and files under the
# cache directory, and every script may be run again at any time.

# The clone.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '[%s] %s\n' "${0##*/}" "$*" >&2; }
die() {
    printf '[%s] error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# True if the directory exists or can be made, and takes a file. (`test -w` is true for root on a read-only disk.)
can_write() {
    mkdir -p "$1" 2>/dev/null && : 2>/dev/null >"$1/.probe.$$" && rm -f "$1/.probe.$$"
}

# What outlives the clone: FLOTILLA_CACHE, else the user's cache directory, else (where that cannot be written) target/.
# `cache_wanted` is what was asked for; what is whole there may be used even if it is read-only.
cache_wanted=${FLOTILLA_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/flotilla}
cache=$cache_wanted
if ! can_write "$cache"; then
    cache=$root/target
    say "cannot write to the cache directory $cache_wanted; using $cache"
    can_write "$cache" || die "cannot write to $cache either"
fi

# Runs a command as root: directly, or through sudo, or not at all (status 1).
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

# Installs those of the given Debian packages that are missing. Status 1 if that is impossible.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    as_root true || return 1
    say "installing Debian packages: ${missing[*]}"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0
        --no-install-recommends "${missing[@]}")
    # The package lists may be absent (containers) or too old to name files that still exist.
    as_root "${install[@]}" </dev/null >&2 && return 0
    say "once more, with fresh package lists"
    as_root apt-get update -qq </dev/null >&2 && as_root "${install[@]}" </dev/null >&2
}

# A program of crates.io, built once per machine: NAME VERSION [OPTION]... Prints its path.
cargo_tool() {
    local name=$1 version=$2
    local tools=$cache/$name-$version
    shift 2
    mkdir -p "$tools"
    if [ ! -x "$tools/bin/$name" ]; then
        say "building $name $version into $tools, once per machine"
        # Outside the clone: its .cargo/config.toml and toolchain file are not for other programs.
        (cd "$tools" && env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$tools" "$@" "$name@$version") >&2 || return 1
    fi
    printf '%s\n' "$tools/bin/$name"
}

# The toolchain file pins one compiler. Where rustup lacks it and may not fetch it, an installed one that is new enough does.
choose_toolchain() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust, https://rustup.rs"
    (cd "$root" && cargo --version >/dev/null 2>&1) && return
    command -v rustup >/dev/null || die "cargo does not run: $(cd "$root" && cargo --version 2>&1 | head -n 1)"
    local name
    name=$(cd / && rustup show active-toolchain 2>/dev/null | cut -d ' ' -f 1)
    [ -n "$name" ] || die "the compiler named in rust-toolchain.toml is not installed and could not be fetched"
    say "the compiler named in rust-toolchain.toml is not to be had; using $name"
    export RUSTUP_TOOLCHAIN=$name
}
