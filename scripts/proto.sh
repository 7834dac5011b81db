#!/usr/bin/env bash
# Regenerates the code of the clients from proto/. The outcome is committed, so that nobody needs these tools to
# install a client.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv-proto}
if [ ! -x "$venv/bin/protoc-gen-mypy" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement clients/python/requirements-proto.txt
fi

# The Python package and the contract have the same name, so the imports that protoc writes are right as they are.
out=clients/python/src
rm -rf "$out/dbkeeper/v1"
PATH="$(realpath "$venv")/bin:$PATH" "$venv/bin/python" -m grpc_tools.protoc --proto_path=proto \
    --python_out="$out" --grpc_python_out="$out" --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" \
    proto/dbkeeper/v1/*.proto
echo '"""Generated from proto/ by `make proto`; do not edit."""' > "$out/dbkeeper/v1/__init__.py"
echo "proto: $out/dbkeeper/v1 is regenerated"
