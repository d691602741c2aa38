#!/usr/bin/env bash
# Makes what a release consists of, in target/release-files (RELEASE_DIR names another place):
#
#   flotilla-VERSION-linux-ARCH.tar.gz   program, manual pages, completions, units, licence
#   flotilla-VERSION-linux-ARCH.debug.gz symbols of the program, for addr2line and debuggers
#   flotilla_VERSION-1_ARCH.deb          Debian package (helm/debian, helm/systemd)
#   flotilla-VERSION.cdx.json            bill of materials, CycloneDX
#   SHA256SUMS                           sums of all of these
#
#   FLOTILLA_BIN       a program that is built already; without it, an optimised one is built here that lists its crates in itself
#   SOURCE_DATE_EPOCH  the date of all files; without it, that of the last commit. The same program and date make the same files.
#   RELEASE_FAST=yes   compress less
#
# usage: release.sh [--tools]      (tools: only build the programs that this needs)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
choose_toolchain

cargo_deb_version=3.8.0
cargo_cyclonedx_version=0.5.9
cargo_auditable_version=0.7.7

deb_tool=$(cargo_tool cargo-deb "$cargo_deb_version") || die "cargo-deb cannot be built"
sbom_tool=$(cargo_tool cargo-cyclonedx "$cargo_cyclonedx_version") || die "cargo-cyclonedx cannot be built"
if [ "${1:-}" = --tools ]; then exit; fi
command -v python3 >/dev/null && command -v objcopy >/dev/null && command -v dpkg-deb >/dev/null ||
    apt_install python3 binutils dpkg || die "python3, binutils or dpkg are missing and cannot be installed by this user"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
arch=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
out=${RELEASE_DIR:-$root/target/release-files}
# Where Cargo.toml says that the files of the Debian package are.
stage=$root/target/package
name=flotilla-$version-linux-$arch

if [ -n "${FLOTILLA_BIN:-}" ]; then
    program=$FLOTILLA_BIN
else
    auditable=$(cargo_tool cargo-auditable "$cargo_auditable_version") || die "cargo-auditable cannot be built"
    "$auditable" auditable build --locked --release --bin flotilla
    program=${CARGO_TARGET_DIR:-$root/target}/release/flotilla
fi
"$program" --version | grep -qx "flotilla $version" || die "$program is not flotilla $version"

# Prints what the list of crates in a program says; status 1 if it has none. See https://github.com/rust-secure-code/cargo-auditable.
crates_in() {
    local section
    section=$(mktemp)
    objcopy --dump-section .dep-v0="$section" "$1" /dev/null 2>/dev/null && [ -s "$section" ] &&
        python3 -c 'import json, sys, zlib; found = json.loads(zlib.decompress(open(sys.argv[1], "rb").read())); print(len(found["packages"]))' "$section"
    local status=$?
    rm -f "$section"
    return "$status"
}

rm -rf "$stage" "$out"
mkdir -p "$stage/bin" "$stage/share/man/man1" "$stage/completions" "$out"
say "flotilla $version for $arch, of $(date -u -d "@$SOURCE_DATE_EPOCH" +%F)"

# Symbols apart: the program is a third of the size without.
objcopy --only-keep-debug "$program" "$stage/flotilla.debug"
strip -o "$stage/bin/flotilla" "$program"
gzip -n ${RELEASE_FAST:+-1} <"$stage/flotilla.debug" >"$out/$name.debug.gz"
rm "$stage/flotilla.debug"
if crates=$(crates_in "$stage/bin/flotilla"); then
    say "the program lists its $crates crates in itself"
elif [ -n "${FLOTILLA_BIN:-}" ]; then
    say "THE GIVEN PROGRAM DOES NOT LIST ITS CRATES: it was not built by cargo auditable"
else
    die "the program does not list its crates"
fi

# By the stripped program, so that it is known to run.
"$stage/bin/flotilla" man "$stage/share/man/man1"
"$stage/bin/flotilla" completion bash >"$stage/completions/flotilla"
"$stage/bin/flotilla" completion zsh >"$stage/completions/_flotilla"
"$stage/bin/flotilla" completion fish >"$stage/completions/flotilla.fish"
{
    printf 'flotilla (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$version"
    printf ' -- The Flotilla authors <flotilla@example.com>  %s\n' "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$stage/changelog"

# The tarball.
tree=$stage/$name
mkdir -p "$tree/bin" "$tree/share/man" "$tree/share/completions" "$tree/share/systemd"
cp "$stage/bin/flotilla" "$tree/bin/"
cp -r "$stage/share/man/man1" "$tree/share/man/"
cp "$stage/completions/"* "$tree/share/completions/"
cp helm/systemd/* helm/debian/flotilla.toml "$tree/share/systemd/"
cp LICENSE README.md CHANGELOG.md SECURITY.md "$tree/"
tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' \
    --directory "$stage" "$name" | gzip -n ${RELEASE_FAST:+-1} >"$out/$name.tar.gz"
rm -rf "$tree"

# The Debian package.
"$deb_tool" --locked --no-build --no-strip --quiet ${RELEASE_FAST:+--fast} --output "$out/flotilla_$version-1_$arch.deb" >&2

# The bill of materials. The program writes one beside each Cargo.toml of the workspace; the product's is the one wanted.
made=bill-of-materials
trap 'rm -f "$root/$made.json" "$root"/*/"$made.json"' EXIT
"$sbom_tool" cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$(rustc -vV | sed -n 's/^host: //p')" --override-filename "$made"
python3 - "$made.json" "$version" "$root" <<'PY' >"$out/flotilla-$version.cdx.json"
import json, sys
bill = json.load(open(sys.argv[1]))
components = bill["components"]
assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["version"] == sys.argv[2], bill["metadata"]
assert all(part.get("purl") and part.get("version") for part in components), "a component without version or address"
names = {part["name"] for part in components}
assert {"openraft", "rocksdb", "librocksdb-sys", "tokio"} <= names, "the bill lacks what the program is known to have"
# The same wherever the clone is.
text = json.dumps(bill, indent=1, sort_keys=True).replace(f"path+file://{sys.argv[3]}", "path+file:///flotilla")
assert sys.argv[3] not in text, "the bill has addresses of this machine"
print(text)
PY

(cd "$out" && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
(cd "$out" && ls -l >&2)
say "$out"
