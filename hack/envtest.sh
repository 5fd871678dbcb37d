#!/usr/bin/env bash
# Provides kube-apiserver, etcd, kubectl and grpcurl for the integration tests and prints,
# as the last line of its output, the directory that holds them.
#
# KUBEBUILDER_ASSETS, when set, is checked and used as it is (the envtest convention).
# Otherwise the binaries are built once from the Go modules pinned in hack/envtest/go.mod and
# kept outside the checkout: about seven minutes on two cores, no work at all afterwards.
# Exit code 3 says that no usable Go is installed, 1 that something else failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
required=(kube-apiserver etcd kubectl)
built=("${required[@]}" grpcurl)

say() { printf '%s\n' "envtest: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
# Not possible here, as opposed to tried and failed: the caller may go on without.
impossible() {
    say "$*"
    exit 3
}

# missing DIR NAME... prints the names that are no executables in DIR.
missing() {
    local dir=$1 name
    shift
    for name in "$@"; do
        [[ -x $dir/$name ]] || printf '%s ' "$name"
    done
}

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    absent=$(missing "$KUBEBUILDER_ASSETS" "${required[@]}")
    [[ -z $absent ]] || fail "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks: ${absent}" \
        "(point it to a directory with ${required[*]}, or unset it to build them)"
    say "using KUBEBUILDER_ASSETS"
    printf '%s\n' "$KUBEBUILDER_ASSETS"
    exit 0
fi

version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit} $2 == "k8s.io/kubernetes" {print $3; exit}' \
    "$here/envtest/go.mod")
[[ $version == v*.*.* ]] || fail "hack/envtest/go.mod names no version of k8s.io/kubernetes"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/informerd/envtest
target=$cache/$version

if [[ -z $(missing "$target" "${built[@]}") ]]; then
    say "$version is already built"
    printf '%s\n' "$target"
    exit 0
fi

remedy="install Go 1.26 or newer (https://go.dev/doc/install), or set KUBEBUILDER_ASSETS"
command -v go >/dev/null || impossible "go is missing: $remedy"
go_version=$(cd "$here" && GOTOOLCHAIN=local go env GOVERSION)
IFS=. read -r go_major go_minor _ <<<"${go_version#go}"
go_minor=${go_minor%%[!0-9]*}
if ((go_major < 1 || (go_major == 1 && ${go_minor:-0} < 26))); then
    impossible "$go_version is too old: $remedy"
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/.build.XXXXXX")
heartbeat=
cleanup() {
    [[ -z $heartbeat ]] || kill "$heartbeat" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A silent build of many minutes looks like a hang. Polls each second so that it never outlives
# the build by more than that.
beat() {
    local start=$SECONDS next=15
    while sleep 1; do
        if ((SECONDS - start >= next)); then
            say "still building, $((SECONDS - start)) s so far"
            next=$((next + 15))
        fi
    done
}

IFS=. read -r major minor _ <<<"${version#v}"
stamp=k8s.io/component-base/version
# Without the stamp the server calls itself v0.0.0-master, and clients refuse features by version.
ldflags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"

say "building Kubernetes $version with $go_version, once (several minutes)"
beat &
heartbeat=$!
(cd "$here/envtest" && CGO_ENABLED=0 GOTOOLCHAIN=local go build -mod=readonly -trimpath \
    -ldflags "$ldflags" -o "$work/bin/" tool) >&2
kill "$heartbeat" 2>/dev/null || true
heartbeat=

# etcd's main package is called `server`.
mv "$work/bin/server" "$work/bin/etcd"
absent=$(missing "$work/bin" "${built[@]}")
[[ -z $absent ]] || fail "the build did not yield: $absent"

# The rename is what makes a directory complete: nobody ever sees a half-filled one. A run that
# lost the race against another keeps the other's result.
if [[ -z $(missing "$target" "${built[@]}") ]]; then
    say "another build finished first"
else
    rm -rf "$target"
    mv -T "$work/bin" "$target" 2>/dev/null || mv "$work/bin" "$target"
fi
say "built $version in $SECONDS s"
printf '%s\n' "$target"
