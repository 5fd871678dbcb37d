#!/usr/bin/env bash
# Makes helm/informerd/README.md from README.head.md and the comments of values.yaml:
#   chart-readme.sh           writes it
#   chart-readme.sh --check   says whether the committed one is fresh, and writes nothing
# A value's text is the comment that begins with two dashes above it.
set -euo pipefail
# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
chart=$root/helm/informerd

render() {
    cat "$chart/README.head.md"
    awk '
        function emit() {
            gsub(/\|/, "\\|", text)
            printf "| `%s` | %s | %s |\n", path, value, text
            text = ""
        }
        function indentation(line) {
            match(line, /^ */)
            return RLENGTH
        }
        BEGIN { print "| value | default | meaning |"; print "|---|---|---|" }
        # A described value without one on its line has a block below it.
        pending && !/^ *#/ {
            value = /^ *-/ || indentation($0) > depth_of_pending ? "see `values.yaml`" : "none"
            pending = 0
            emit()
        }
        /^ *# -- / { sub(/^ *# -- /, ""); text = $0; open = 1; next }
        /^ *#/ { if (open) { sub(/^ *# */, ""); text = text " " $0 } next }
        /^ *$/ { open = 0; next }
        /^ *[A-Za-z]+:/ {
            open = 0
            depth = indentation($0) / 2
            key = $1
            sub(/:.*/, "", key)
            names[depth] = key
            path = names[0]
            for (i = 1; i <= depth; i++) path = path "." names[i]
            value = $0
            sub(/^ *[A-Za-z]+: */, "", value)
            if (text == "") next
            if (value == "") { pending = 1; depth_of_pending = depth * 2; next }
            value = "`" value "`"
            emit()
        }
    ' "$chart/values.yaml"
}

case ${1:-} in
    "") render >"$chart/README.md" ;;
    --check)
        if ! diff -u "$chart/README.md" <(render) >&2; then
            say "the chart's README is stale: run hack/chart-readme.sh and commit it"
            exit 1
        fi
        ;;
    *) die "usage: hack/chart-readme.sh [--check]" ;;
esac
