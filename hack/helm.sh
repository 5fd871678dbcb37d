#!/usr/bin/env bash
# Runs the pinned helm (hack/helm/go.mod) with the given arguments. It is built once, outside the
# checkout: about two minutes on two cores. `--path` prints where it is instead.
# Exit code 3 says that no usable Go is installed.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=$(awk '$1 == "helm.sh/helm/v4" {print $2; exit} $2 == "helm.sh/helm/v4" {print $3; exit}' \
    "$root/hack/helm/go.mod")
[[ $version == v4.*.* ]] || die "hack/helm/go.mod names no version of helm.sh/helm/v4"
helm=$tools/helm-$version/helm

build() {
    local work started=$SECONDS
    if ! usable_go; then
        say "helm: Go 1.26 or newer is missing (https://go.dev/doc/install)"
        return 3
    fi
    say "building helm $version, once (about two minutes)"
    mkdir -p "$tools"
    work=$(mktemp -d "$tools/.helm.XXXXXX")
    # Without the stamps `helm version` tells of a development build.
    if ! (cd "$root/hack/helm" && CGO_ENABLED=0 GOTOOLCHAIN=local go build -mod=readonly -trimpath \
        -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" \
        -o "$work/helm" helm.sh/helm/v4/cmd/helm) >&2; then
        rm -rf "$work"
        die "helm $version can't be built"
    fi
    # The rename is what completes it; whoever lost the race keeps the other's result.
    if [[ -x $helm ]]; then
        rm -rf "$work"
    else
        rm -rf "${helm%/*}"
        mv -T "$work" "${helm%/*}" 2>/dev/null || rm -rf "$work"
    fi
    say "built helm $version in $((SECONDS - started)) s"
}

[[ -x $helm ]] || build
if [[ ${1:-} == --path ]]; then
    printf '%s\n' "$helm"
    exit
fi
# Nothing of the caller's own helm is read or written: no plugins, no repositories, no cluster.
HELM_CACHE_HOME=$tools/helm-home/cache HELM_CONFIG_HOME=$tools/helm-home/config \
    HELM_DATA_HOME=$tools/helm-home/data exec "$helm" "$@"
