#!/usr/bin/env bash
# Measures the figures of docs/performance.md with the release binary and prints them beside their targets. With --strict
# the exit status is 1 where a target is missed; names such as `calls` or `backup` measure only these.
set -euo pipefail
cd "$(dirname "$0")/.."

exec cargo bench --quiet --bench figures -- "$@"
