#!/usr/bin/env bash
# Builds the image informerd:VERSION with docker buildx, or with buildah where docker doesn't answer.
#   IMAGE=name:tag       another name
#   PLATFORMS=a,b        for example linux/amd64,linux/arm64; several need PUSH=1
#   PUSH=1               push it instead of leaving it in the local store
#   BUILDER=docker       or buildah: take no other
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

builder=${BUILDER:-docker}
if [[ -z ${BUILDER:-} ]] && have buildah && ! docker info >/dev/null 2>&1; then
    builder=buildah
fi
case $builder in
    docker)
        need docker "install Docker with buildx (https://docs.docker.com/engine/install) or buildah, or build the binary alone: make static"
        docker buildx version >/dev/null 2>&1 ||
            die "docker has no buildx: install its plugin (Debian: apt-get install docker-buildx-plugin)"
        docker info >/dev/null 2>&1 || die "the docker daemon doesn't answer: start it, or set DOCKER_HOST"
        ;;
    buildah) need buildah "install it (Debian: apt-get install buildah), or build the binary alone: make static" ;;
    *) die "BUILDER is docker or buildah, not $builder" ;;
esac

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
image=${IMAGE:-informerd:$version}
several=
platforms=()
if [[ -n ${PLATFORMS:-} ]]; then
    [[ $PLATFORMS != *,* ]] || several=1
    [[ -z $several || -n ${PUSH:-} ]] ||
        die "an image for several platforms can't be loaded: set PUSH=1 and IMAGE"
    platforms=(--platform "$PLATFORMS")
fi
arguments=(
    --build-arg "VERSION=$version"
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
)

with_docker() {
    local output=--load
    [[ -z ${PUSH:-} ]] || output=--push
    docker buildx build "${platforms[@]}" "$output" --tag "$image" "${arguments[@]}" .
}

with_buildah() {
    local name=--tag push=(push)
    if [[ -n $several ]]; then
        # Images of an earlier run would be in the list too.
        buildah manifest rm "$image" >/dev/null 2>&1 || true
        name=--manifest push=(manifest push --all)
    fi
    buildah build "${platforms[@]}" "$name" "$image" "${arguments[@]}" .
    [[ -z ${PUSH:-} ]] || buildah "${push[@]}" "$image" "docker://$image"
}

say "building $image with $builder"
"with_$builder"
printf '%s\n' "$image"
