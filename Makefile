# Everything that CI does, by name. `make help` lists it.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench sizing fmt static image envtest stubs proto-baseline

ARCH ?=

# Passed on by `make demo`, for example ARGS="--help".
ARGS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Watch an embedded simulated cluster; needs only Rust (ARGS="..." is passed on)
	cargo run --quiet -- demo $(ARGS)

test: ## Run all tests, the real kube-apiserver included (built once, see envtest)
	@hack/test.sh

lint: ## Check format, clippy, documentation, dependencies, protocol, scripts and Python
	@hack/lint.sh

bench: ## Print what watches cost: TLS, Python clients, the apiserver, the daemon
	@cargo bench --quiet --bench tls
	@hack/python.sh bench

sizing: ## Print what a daemon takes in memory and CPU: the figures of docs/operations.md
	INFORMERD_STATIC=$$(hack/static.sh | tail -n 1) INFORMERD_SIZING=full \
		cargo test --test it -- sizing_is_measured

fmt: ## Format the code
	cargo fmt --all
	hack/python.sh format

static: ## Build the binary of the image: static, with the list of its crates (ARCH=amd64|arm64)
	@hack/static.sh $(if $(ARCH),--arch $(ARCH))

image: ## Build the container image with docker or buildah (IMAGE, PLATFORMS, PUSH: see hack/image.sh)
	@hack/image.sh

envtest: ## Provide kube-apiserver, etcd and kubectl, and print their directory
	@hack/envtest.sh

stubs: ## Generate the protocol code of the Python client anew
	hack/python.sh stubs

proto-baseline: ## Record the protocol that later changes must stay compatible with
	hack/buf.sh build --output proto/informerd.v1.binpb
