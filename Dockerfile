# syntax=docker/dockerfile:1
# The image: one static binary, no shell, not root. `make image` builds it.
#
# The build runs on the builder's own architecture and compiles for the wanted one, which is much
# faster than emulating it. The toolchain is the one that rust-toolchain.toml names (a test compares).
ARG RUST_VERSION=1.95.0

FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
RUN if [ "$BUILDARCH" != "$TARGETARCH" ]; then \
        case "$TARGETARCH" in \
            arm64) packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
            amd64) packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
            *) echo "no image for $TARGETARCH" >&2; exit 1 ;; \
        esac; \
        apt-get update && apt-get install --yes --no-install-recommends $packages && \
        rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
COPY . .
# What cargo fetched and compiled stays with the builder, for each architecture by itself.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/root/.cache/informerd \
    --mount=type=cache,target=/src/target,id=target-${TARGETARCH} \
    cp "$(hack/static.sh --arch "$TARGETARCH" | tail -n 1)" /informerd

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="informerd" \
    org.opencontainers.image.description="The shared Kubernetes informer as a daemon" \
    org.opencontainers.image.source="https://github.com/informerd/informerd" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /informerd /informerd
# By number, so that the kubelet can see that it isn't root.
USER 65532:65532
EXPOSE 7300 7301
ENTRYPOINT ["/informerd"]
CMD ["--help"]
