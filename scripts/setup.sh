#!/usr/bin/env bash
# Installs what the tests need and is not there: Debian packages, grpcurl, buf, Python packages. Safe to run again;
# needs root or sudo only where a package is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# grpcurl 1.9.1 is the newest that Go 1.19, which Debian 12 has, can build.
GRPCURL_VERSION=1.9.1
GO_MINIMUM=1.19
BUF_VERSION=1.75.0

tools=$PWD/.tools
mkdir -p "$tools/bin"
PATH="$tools/bin:$tools/node_modules/.bin:/usr/local/go/bin:$HOME/go/bin:$PATH"

have() { command -v "$1" > /dev/null 2>&1; }
have_postgresql_server() { compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || have initdb; }
have_mariadb_server() { have mariadbd || [ -x /usr/sbin/mariadbd ]; }
have_venv() { python3 -c 'import ensurepip, venv' > /dev/null 2>&1; }

# at_least MINIMUM VERSION
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
have_go() { have go && at_least "$GO_MINIMUM" "$(go env GOVERSION | sed 's/^go//')"; }

packages=()
need() { "${@:2}" || packages+=("$1"); }
need ca-certificates test -d /etc/ssl/certs
need gcc have cc
need libc6-dev test -e /usr/include/stdlib.h
need curl have curl
need jq have jq
need postgresql have_postgresql_server
need postgresql-client have pg_dump
need mariadb-server have_mariadb_server
need mariadb-client have mariadb-dump
need python3-venv have_venv
have grpcurl || need golang-go have_go
have buf || need npm have npm

if [ "${#packages[@]}" -gt 0 ]; then
    echo "setup: installing ${packages[*]}"
    have apt-get || {
        echo "setup: this is no Debian; install by hand what these packages hold: ${packages[*]}" >&2
        exit 1
    }
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || {
            echo "setup: run as root: apt-get install ${packages[*]}" >&2
            exit 1
        }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

for component in rustfmt clippy; do
    command=$([ "$component" = rustfmt ] && echo fmt || echo clippy)
    cargo "$command" --version > /dev/null 2>&1 || rustup component add "$component"
done

if ! have grpcurl; then
    echo "setup: building grpcurl $GRPCURL_VERSION"
    GOBIN="$tools/bin" go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION"
fi

if ! have buf; then
    echo "setup: installing buf $BUF_VERSION"
    npm install --prefix "$tools" --no-save --no-audit --no-fund --loglevel=error "@bufbuild/buf@$BUF_VERSION"
fi

requirements=clients/python/requirements-dev.txt
if ! cmp -s "$requirements" .venv/requirements.installed; then
    echo "setup: Python packages in .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$requirements"
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable clients/python
    cp "$requirements" .venv/requirements.installed
fi
echo "setup: everything is there"
