#!/usr/bin/env bash
# Runs the pinned buf (hack/buf/package.json) with the given arguments. It is installed once,
# outside the checkout, and no install script of any package is run.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need npm "install Node.js"

version=$(sed -n 's/.*"@bufbuild\/buf": "\([0-9.]*\)".*/\1/p' "$root/hack/buf/package.json")
target=$tools/buf-$version
if [[ ! -x $target/node_modules/.bin/buf ]]; then
    say "installing buf $version, once"
    mkdir -p "$tools"
    work=$(mktemp -d "$tools/.buf.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cp "$root/hack/buf/package.json" "$root/hack/buf/package-lock.json" "$work/"
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --silent)
    rm -rf "$target"
    mv "$work" "$target"
fi
cd "$root"
"$target/node_modules/.bin/buf" "$@"
