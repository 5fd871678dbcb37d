#!/usr/bin/env bash
# Builds the image informerd:VERSION with docker buildx.
#   IMAGE=name:tag       another name
#   PLATFORMS=a,b        for example linux/amd64,linux/arm64; several need PUSH=1
#   PUSH=1               push it instead of loading it into the local docker
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

need docker "install Docker with buildx (https://docs.docker.com/engine/install), or build the binary alone: make static"
docker buildx version >/dev/null 2>&1 ||
    die "docker has no buildx: install its plugin (Debian: apt-get install docker-buildx-plugin)"
docker info >/dev/null 2>&1 || die "the docker daemon doesn't answer: start it, or set DOCKER_HOST"

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
image=${IMAGE:-informerd:$version}
output=--load
[[ -z ${PUSH:-} ]] || output=--push
platforms=()
if [[ -n ${PLATFORMS:-} ]]; then
    [[ $PLATFORMS != *,* || -n ${PUSH:-} ]] ||
        die "an image for several platforms can't be loaded: set PUSH=1 and IMAGE"
    platforms=(--platform "$PLATFORMS")
fi

say "building $image"
docker buildx build "${platforms[@]}" "$output" --tag "$image" \
    --build-arg "VERSION=$version" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" .
printf '%s\n' "$image"
