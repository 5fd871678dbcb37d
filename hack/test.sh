#!/usr/bin/env bash
# All tests: units, documentation examples, the Python client, and the integration binary last.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need_rust

# The last line of envtest.sh is the directory. Exit code 3 means: a toolchain is missing here.
code=0
assets=$(hack/envtest.sh | tail -n 1) || code=$?
case $code in
    0) export KUBEBUILDER_ASSETS=$assets ;;
    3) unavailable "tests against the real apiserver, see above" ;;
    *) die "envtest failed" ;;
esac

# Renders the chart; code 3 as above.
code=0
hack/helm.sh --path >/dev/null || code=$?
case $code in
    0) ;;
    3) unavailable "tests of the chart, see above" ;;
    *) die "helm failed" ;;
esac

# The image's binary, as it ships: the tests of the install and of the image use it.
if [[ $(uname -s) == Linux ]]; then
    say "==> static binary"
    INFORMERD_STATIC=$(hack/static.sh | tail -n 1)
    export INFORMERD_STATIC
else
    unavailable "tests of the static binary need Linux"
fi

# One package selection for all calls, so that features unify alike and nothing is built twice.
step build cargo test --workspace --no-run
failed=()
step units cargo test --workspace --no-fail-fast --lib --bins \
    --test control_plane --test testbed || failed+=(units)
step examples cargo test --workspace --doc || failed+=(examples)
step python-package hack/python.sh package || failed+=(python-package)
step python hack/python.sh test || failed+=(python)
((${#failed[@]} == 0)) || say "failed so far: ${failed[*]}"

say "==> integration"
cargo test --workspace --test it || failed+=(integration)
((${#failed[@]} == 0)) || die "tests failed: ${failed[*]}"
