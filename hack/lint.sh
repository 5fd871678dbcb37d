#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need_rust

deny_version=0.20.2

clippy() {
    cargo clippy --workspace --all-targets -- -D warnings &&
        cargo clippy --workspace --all-targets --no-default-features -- -D warnings
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
}

# Advisories are left out: they come from a git repository that not every network can reach, and
# they change without a change of ours. `cargo deny check advisories` asks for them.
dependencies() {
    local bin=$tools/cargo-deny-$deny_version
    if [[ ! -x $bin/bin/cargo-deny ]]; then
        say "installing cargo-deny $deny_version, once (some minutes)"
        if ! cargo install cargo-deny --locked --version "$deny_version" --root "$bin"; then
            unavailable "cargo-deny $deny_version can't be installed"
            return
        fi
    fi
    "$bin/bin/cargo-deny" --all-features check bans licenses sources
}

protocol() {
    if ! have npm node; then
        unavailable "npm is missing: install Node.js to lint the protocol with buf"
        return
    fi
    hack/buf.sh lint || return
    if [[ -f proto/informerd.v1.binpb ]]; then
        hack/buf.sh breaking --against proto/informerd.v1.binpb
    else
        say "nothing to compare with: make proto-baseline records the protocol at a release"
    fi
}

scripts() {
    local files=(hack/*.sh .ci/run) file
    for file in "${files[@]}"; do
        bash -n "$file" || return
    done
    # A help, never a gate: it is not part of any toolchain that this project asks for.
    if have shellcheck; then
        shellcheck -x "${files[@]}"
    else
        say "skipped: shellcheck is missing"
    fi
}

# The chart as helm sees it, with each set of values that tests render too; its schema is checked
# with it. README.md must tell of the values that there are.
chart() {
    local values files path code=0
    hack/chart-readme.sh --check || return
    path=$(hack/helm.sh --path) || code=$?
    if ((code == 3)); then
        unavailable "helm is missing: install Go to lint the chart"
        return
    fi
    ((code == 0)) && [[ -x $path ]] || return 1
    for values in helm/informerd/ci/*-values.yaml; do
        files=(--values "$values")
        [[ $values != */ha-values.yaml ]] || files=(--values helm/informerd/values-ha.yaml "${files[@]}")
        if ! hack/helm.sh lint --strict --quiet helm/informerd "${files[@]}"; then
            say "with ${values##*/}"
            return 1
        fi
    done
}

failed=()
check() {
    step "$1" "${@:2}" || failed+=("$1")
}
check format cargo fmt --all --check
check clippy clippy
check documentation documentation
check dependencies dependencies
check protocol protocol
check scripts scripts
check chart chart
check python hack/python.sh lint

((${#failed[@]} == 0)) || die "lint failed: ${failed[*]}"
say "lint: everything holds"
