#!/usr/bin/env bash
# Installs what the tests need and is not there, or is there and too old: Debian packages, grpcurl, buf, Python packages.
# Safe to run again; needs root or sudo only where a Debian package is missing. What is no Debian package goes into the
# folders .tools and .venv of this project.
set -euo pipefail
cd "$(dirname "$0")/.."

# grpcurl 1.9.1 is the newest that Go 1.19, which Debian 12 has, can build.
GRPCURL_VERSION=1.9.1
BUF_VERSION=1.75.0
RUST_MINIMUM=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

tools=$PWD/.tools
mkdir -p "$tools/bin"
PATH="$tools/bin:$tools/node_modules/.bin:/usr/local/go/bin:$HOME/go/bin:$HOME/.cargo/bin:$PATH:/usr/sbin"

have() { command -v "$1" > /dev/null 2>&1; }

section_start=$SECONDS
section() {
    printf '\n=== setup: %s ===\n' "$1"
    section_start=$SECONDS
}
done_in() { printf -- '--- %s, in %s s\n' "$1" "$((SECONDS - section_start))"; }
fail() {
    printf '\nFAILED: setup: %s\n' "$1" >&2
    exit 1
}

# Where a tool may lie: on the PATH, or where Debian puts what is not for the PATH.
candidates() {
    case $1 in
        postgres) printf '%s\n' /usr/lib/postgresql/*/bin/postgres ;;
    esac
    type -ap "$1" || true
}

# The version that a program tells of itself; 0 where it tells none.
version_of() {
    case $(basename "$1") in
        go) "$1" env GOVERSION ;;
        mariadbd | mariadb-dump) "$1" --version | grep -o '[0-9.]*-MariaDB' ;;
        grpcurl | jq | ldconfig | zstd) echo 0 ;;
        *) "$1" --version ;;
    esac 2> /dev/null | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1
}

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# find_tool NAME MINIMUM: the first program of that name that is new enough.
find_tool() {
    local path version
    while read -r path; do
        version=$([ -x "$path" ] && version_of "$path") || continue
        at_least "$2" "$version" && echo "$path" && return
    done < <(candidates "$1")
    return 1
}

# Tool, oldest version that does (0: any), Debian package that holds it. A server is checked with its own tools.
DEBIAN_TOOLS='
cc           0      gcc
jq           0      jq
zstd         0      zstd
postgres     13     postgresql
pg_dump      13     postgresql-client
mariadbd     10.6   mariadb-server
mariadb-dump 10.6   mariadb-client
pgbouncer    1.12   pgbouncer
python3      3.9    python3
systemd-analyze 250 systemd
'
find_tool grpcurl 0 > /dev/null || DEBIAN_TOOLS+='go 1.19 golang-go
'
find_tool buf 1.32 > /dev/null || DEBIAN_TOOLS+='npm 6 npm
'
# What is no program: a file that the package holds.
DEBIAN_FILES='
/etc/ssl/certs/ca-certificates.crt ca-certificates
/usr/include/stdlib.h              libc6-dev
'
have_venv() { "$(find_tool python3 3.9)" -c 'import ensurepip, venv' > /dev/null 2>&1; }

# Prints the packages of whatever is missing or too old, and tells on the side what is too old.
missing_packages() {
    local old
    while read -r tool minimum package; do
        if [ -z "$tool" ] || find_tool "$tool" "$minimum" > /dev/null; then continue; fi
        old=$(find_tool "$tool" 0) && echo "$old is $(version_of "$old"), and $minimum is needed" >&2
        echo "$package"
    done <<< "$DEBIAN_TOOLS"
    while read -r file package; do
        [ -z "$file" ] || [ -e "$file" ] || echo "$package"
    done <<< "$DEBIAN_FILES"
    have_venv || echo python3-venv
    missing_extension
}

# Plans with indexes that are not there: an extension of the newest server, which is known once that is installed.
missing_extension() {
    local major
    major=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sed -n 's|.*/postgresql/\([0-9]*\)/bin/initdb$|\1|p' | sort -n | tail -n 1)
    [ -z "$major" ] || [ -e "/usr/share/postgresql/$major/extension/hypopg.control" ] || echo "postgresql-$major-hypopg"
}

install_packages() {
    have apt-get || fail "this is no Debian; install by hand what these packages hold: $*"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "neither root nor sudo; as root run: apt-get install $*"
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    # dpkg tells of each file that it unpacks; that is shown where it fails.
    local log
    log=$(mktemp)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > "$log" 2>&1 || {
        tail -n 40 "$log" >&2
        fail "apt-get install $* (whole log: $log)"
    }
    rm -f "$log"
}

section 'Rust'
cargo=$(find_tool cargo "$RUST_MINIMUM") ||
    fail "no cargo $RUST_MINIMUM or newer; get one from https://rustup.rs, or: rustup update stable"
for component in fmt clippy; do
    "$cargo" "$component" --version > /dev/null 2>&1 || {
        have rustup || fail "cargo $component is missing; install it beside your Rust toolchain"
        rustup component add "${component/fmt/rustfmt}"
    }
done
done_in "cargo $(version_of "$cargo") with rustfmt and clippy"

section 'Debian packages'
mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -eq 0 ]; then
    done_in 'nothing is missing'
else
    echo "installing ${packages[*]}"
    install_packages "${packages[@]}"
    # A server that was not there before brings its own extension along in a second round.
    mapfile -t extension < <(missing_extension)
    [ "${#extension[@]}" -eq 0 ] || install_packages "${extension[@]}"
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -eq 0 ] || fail "installed, and still missing or too old here: what belongs to ${missing[*]}"
    done_in "installed ${packages[*]}"
fi

section 'grpcurl'
find_tool grpcurl 0 > /dev/null || {
    echo "building grpcurl $GRPCURL_VERSION"
    GOBIN="$tools/bin" GOFLAGS=-trimpath "$(find_tool go 1.19)" install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION"
}
done_in "$(find_tool grpcurl 0)"

section 'buf'
find_tool buf 1.32 > /dev/null || {
    echo "installing buf $BUF_VERSION"
    npm install --prefix "$tools" --no-save --no-audit --no-fund --loglevel=error "@bufbuild/buf@$BUF_VERSION"
}
buf=$(find_tool buf 1.32) || fail "buf $BUF_VERSION was installed into .tools and does not run"
done_in "buf $(version_of "$buf")"

section 'Python packages'
# A virtual environment outlives neither the Python that it was made with nor a change of the list.
requirements=clients/python/requirements-dev.txt
if ! .venv/bin/python -c '' 2> /dev/null || ! cmp -s "$requirements" .venv/requirements.installed; then
    "$(find_tool python3 3.9)" -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$requirements"
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable clients/python
    cp "$requirements" .venv/requirements.installed
fi
done_in ".venv with Python $(version_of .venv/bin/python)"

printf '\n=== setup: summary ===\n'
while read -r tool minimum _; do
    [ -z "$tool" ] && continue
    path=$(find_tool "$tool" "$minimum")
    version=$(version_of "$path")
    [ "$version" != 0 ] || version=-
    printf '  %-15s %-9s %s\n' "$tool" "$version" "$path"
done <<< "cargo $RUST_MINIMUM
$DEBIAN_TOOLS
grpcurl 0
buf 1.32"
printf 'Everything is there; setup took %s s.\n' "$SECONDS"
