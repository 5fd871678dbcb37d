# shellcheck shell=bash
# What the scripts of this folder share. Sourced, not run.
#
# In CI (variable CI set) a missing tool is a failure; elsewhere the step is skipped with a
# printed reason, so that one missing tool doesn't hide what the others have to say.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/informerd/tools
export root tools

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE...
die() {
    say "error: $*"
    exit 1
}

# unavailable REASON... says why the calling step does nothing; fails in CI.
unavailable() {
    if [[ -n ${CI:-} ]]; then
        say "error: $* (required in CI)"
        return 1
    fi
    say "skipped: $*"
}

# have NAME...
have() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null 2>&1 || return 1
    done
}

# need NAME REMEDY... ends the script when a tool is missing that nothing works without.
need() {
    local name=$1
    shift
    have "$name" || die "$name is missing: $*"
}

# step NAME COMMAND... runs a command, and says what it is and how long it took. A function that
# is run so must pass its failures on itself: `set -e` doesn't act in it.
step() {
    local name=$1 start=$SECONDS code=0
    shift
    say "==> $name"
    "$@" || code=$?
    if ((code == 0)); then
        say "<== $name: ok, $((SECONDS - start)) s"
    else
        say "<== $name: FAILED, $((SECONDS - start)) s"
    fi
    return "$code"
}

# Go 1.26 or newer, as the pinned tools ask for.
usable_go() {
    local version major minor
    have go || return 1
    version=$(cd "$root/hack" && GOTOOLCHAIN=local go env GOVERSION) || return 1
    IFS=. read -r major minor _ <<<"${version#go}"
    minor=${minor%%[!0-9]*}
    ((major > 1 || (major == 1 && ${minor:-0} >= 26)))
}

need_rust() {
    need cargo "install Rust through rustup (https://rustup.rs); rust-toolchain.toml names the version"
    # The first call fetches the pinned toolchain where rustup is used.
    (cd "$root" && cargo --version >&2) || die "the toolchain of rust-toolchain.toml is not usable"
}
