#!/usr/bin/env bash
# Everything that has to hold before a change is merged, in sections. Ends at the first that fails, with its name.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PWD/.tools/node_modules/.bin:/usr/local/go/bin:$HOME/go/bin:$HOME/.cargo/bin:$PATH"
export PATH

# Seconds of processor time, user and system together, that the ended children of this script have used.
processor_seconds() { awk -v ticks="$(getconf CLK_TCK)" '{ print int(($16 + $17) / ticks) }' "/proc/$$/stat"; }

summary=''
summarise() { printf '\n=== summary ===\n  %-22s %8s %10s\n%s' section seconds processor "$summary"; }

section() {
    local name=$1 start=$SECONDS processor result=passed
    processor=$(processor_seconds)
    shift
    printf '\n=== %s ===\n' "$name"
    "$@" || result=FAILED
    local line
    line=$(printf '%-22s %6s s %8s s   %s' "$name" "$((SECONDS - start))" "$(($(processor_seconds) - processor))" "$result")
    summary+="  $line"$'\n'
    printf -- '--- %s\n' "$line"
    [ "$result" = passed ] || {
        summarise
        printf '\nFAILED: %s: %s\n' "$name" "$*" >&2
        exit 1
    }
}

# What runs in the background ends with the script, however that ends.
background=()
trap 'for job in "${background[@]}"; do kill "$job" 2> /dev/null || true; done' EXIT

# Tests of a full disk mount a small one. Where sudo asks for a password it does so now, and not in the middle.
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2> /dev/null || sudo -v
    (while sleep 60; do sudo -n true; done) > /dev/null 2>&1 &
    background+=($!)
fi

# Most tests wait for a server more than they compute, so there are more of them than cores. Beyond 16 the sessions of all of
# them would come near what the servers of the tests allow.
threads=$(($(nproc) * 2))
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((threads < 16 ? threads : 16))}

section 'format' cargo fmt --check
section 'contract' buf lint
section 'clippy' cargo clippy --all-targets --quiet -- -D warnings
section 'build' cargo test --no-run
section 'python types' env --chdir=clients/python ../../.venv/bin/mypy
# The tests of the Python client wait for servers more than they compute, so they run beside those of Rust.
python_output=$(mktemp)
env --chdir=clients/python ../../.venv/bin/python -m pytest > "$python_output" 2>&1 &
python_tests=$!
background+=("$python_tests")
end_of_python_tests() {
    local status=0
    wait "$python_tests" || status=$?
    cat "$python_output"
    rm -f "$python_output"
    return "$status"
}
section 'rust tests' cargo test
section 'python tests' end_of_python_tests
summarise
printf '\nAll sections passed in %s s, with %s s of processor time.\n' "$SECONDS" "$(processor_seconds)"
