#!/usr/bin/env bash
# Everything about the Python client (clients/python):
#   python.sh stubs [--check]   make the protocol code anew, or say whether the committed one is fresh
#   python.sh format            format it
#   python.sh lint              ruff, mypy --strict, freshness of the protocol code
#   python.sh package           build the wheel, install it into an empty environment, use it there
#   python.sh interpreter       print the path of the one that has what the tests need
#   python.sh test [ARGS]       pytest; what it needs of Rust must be built
#   python.sh bench             print tables: CPU of clients, of the apiserver and of the daemon
# Environments are made once per pinned list of packages, outside the checkout.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
client=$root/clients/python

usable_python() {
    have python3 &&
        python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# environment NAME prints the directory of the environment with the packages of NAME.txt.
environment() {
    local list=$root/hack/python/$1.txt key target
    key=$(cat "$list" <(python3 --version) | sha256sum | cut -c1-12)
    target=$tools/python-$1-$key
    mkdir -p "$tools"
    # The lock ends with the subshell; whoever waited finds the work done.
    (
        flock 9
        [[ ! -e $target/complete ]] || exit 0
        say "installing the Python packages of hack/python/$1.txt, once"
        rm -rf "$target"
        python3 -m venv "$target"
        "$target/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"
        touch "$target/complete"
    ) 9>"$target.lock" >&2
    printf '%s\n' "$target"
}

# generate DIRECTORY writes the protocol code into it.
generate() {
    local env
    env=$(environment stubs)
    # protoc finds its plugins on the path.
    (cd "$root/proto" && PATH=$env/bin:$PATH python -m grpc_tools.protoc --proto_path=. \
        --python_out="$1" --grpc_python_out="$1" \
        --mypy_out=quiet:"$1" --mypy_grpc_out=quiet:"$1" informerd/v1/*.proto)
}

stubs() {
    local work
    if [[ ${1:-} != --check ]]; then
        find "$client/src/informerd/v1" -name '*_pb2*' -delete
        generate "$client/src"
        return
    fi
    work=$(mktemp -d)
    generate "$work" || return
    cp "$client/src/informerd/v1/__init__.py" "$work/informerd/v1/"
    if ! diff -r --exclude __pycache__ "$work/informerd/v1" "$client/src/informerd/v1" >&2; then
        rm -rf "$work"
        say "the protocol code of the Python client is stale: run hack/python.sh stubs and commit it"
        return 1
    fi
    rm -rf "$work"
}

lint() {
    local env
    env=$(environment dev)
    cd "$client"
    "$env/bin/python" -m ruff format --quiet --check --diff . &&
        "$env/bin/python" -m ruff check --quiet . &&
        "$env/bin/python" -m mypy &&
        stubs --check
}

format() {
    local env
    env=$(environment dev)
    cd "$client"
    "$env/bin/python" -m ruff format --quiet .
    "$env/bin/python" -m ruff check --quiet --fix-only --exit-zero .
}

# What a user does: build, install with nothing but the declared requirements, import.
package() {
    local work
    work=$(mktemp -d)
    python3 -m venv "$work/env"
    "$work/env/bin/pip" wheel --quiet --disable-pip-version-check --no-deps \
        --wheel-dir "$work/wheel" "$client"
    "$work/env/bin/pip" install --quiet --disable-pip-version-check "$work"/wheel/*.whl
    (cd "$work" && "$work/env/bin/python" "$client/tests/installed.py")
    "$work/env/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps \
        "$client"
    (cd "$work" && "$work/env/bin/python" "$client/tests/installed.py")
    rm -rf "$work"
}

test_() {
    local env
    env=$(environment dev)
    cd "$client"
    "$env/bin/python" -m pytest "$@"
}

interpreter() {
    printf '%s\n' "$(environment dev)/bin/python"
}

bench() {
    local env name code=0
    env=$(environment dev)
    # Beside the daemon, which is measured, only the testbed is needed; its speed doesn't matter.
    (cd "$root" && cargo build --quiet --release --bin informerd &&
        cargo build --quiet --package informerd-support --bin informerd-testbed)
    for name in models client_cpu cost; do
        say "==> $name"
        (cd "$client" && PYTHONPATH=src "$env/bin/python" "bench/$name.py") || code=$?
    done
    return "$code"
}

command=${1:-}
shift || true
if ! usable_python; then
    unavailable "Python 3.10 or newer with venv is missing: the Python client is left out"
    exit
fi
case $command in
    stubs | format | lint | package | interpreter | bench) "$command" "$@" ;;
    test) test_ "$@" ;;
    *) die "usage: hack/python.sh stubs [--check] | format | lint | package | interpreter | test [ARGS] | bench" ;;
esac
