#!/usr/bin/env bash
# Everything that has to hold before a change is merged, in sections. Ends at the first that fails, with its name.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PWD/.tools/node_modules/.bin:/usr/local/go/bin:$HOME/go/bin:$PATH"
export PATH

section() {
    local name=$1 start=$SECONDS
    shift
    printf '\n=== %s ===\n' "$name"
    "$@" || {
        printf '\nFAILED: %s, after %s s: %s\n' "$name" "$((SECONDS - start))" "$*" >&2
        exit 1
    }
    printf -- '--- %s: passed in %s s\n' "$name" "$((SECONDS - start))"
}

section 'format' cargo fmt --check
section 'contract (buf lint)' buf lint
section 'clippy' cargo clippy --all-targets --quiet -- -D warnings
section 'rust tests' cargo test
section 'binary' cargo build --bin dbkeeper
section 'python types' env --chdir=clients/python ../../.venv/bin/mypy
section 'python tests' env --chdir=clients/python ../../.venv/bin/python -m pytest
printf '\nAll sections passed in %s s.\n' "$SECONDS"
