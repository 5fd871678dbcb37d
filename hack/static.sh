#!/usr/bin/env bash
# Builds the binary of the image: linked statically against musl, with the list of its crates in it
# (cargo-auditable). The last line of the output is its path.
#   static.sh [--arch amd64|arm64]     default: this machine's
# Only a C compiler is needed, of the other architecture for the other architecture: ring has C and
# assembly; Rust brings musl itself.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need_rust

auditable_version=0.7.7
arch=
while (($# > 0)); do
    case $1 in
        --arch) arch=${2:?} ;;
        *) die "usage: hack/static.sh [--arch amd64|arm64]" ;;
    esac
    shift 2
done

machine=$(uname -m)
case ${arch:-$machine} in
    amd64 | x86_64) cpu=x86_64 ;;
    arm64 | aarch64) cpu=aarch64 ;;
    *) die "${arch:-$machine} is neither amd64 nor arm64" ;;
esac
target=$cpu-unknown-linux-musl

compiler=${CC:-cc}
[[ $machine == "$cpu" ]] || compiler=$cpu-linux-gnu-gcc
case $compiler in
    aarch64-linux-gnu-gcc) packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    x86_64-linux-gnu-gcc) packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;;
    *) packages="gcc libc6-dev" ;;
esac
need "$compiler" "install a C compiler (Debian: apt-get install $packages)"

if have rustup && ! rustup target list --installed | grep -qx "$target"; then
    rustup target add "$target" >&2
fi
bin=$tools/cargo-auditable-$auditable_version
if [[ ! -x $bin/bin/cargo-auditable ]]; then
    say "installing cargo-auditable $auditable_version, once"
    cargo install cargo-auditable --locked --version "$auditable_version" --root "$bin" >&2
fi

# The names under which cc and cargo look for the tools of one target.
under=${target//-/_}
export "CC_$under=$compiler" "CARGO_TARGET_$(tr '[:lower:]' '[:upper:]' <<<"$under")_LINKER=$compiler"
PATH=$bin/bin:$PATH cargo auditable build --locked --bin informerd --release \
    --target "$target" >&2

printf '%s\n' "${CARGO_TARGET_DIR:-$root/target}/$target/release/informerd"
