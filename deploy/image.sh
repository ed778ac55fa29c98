#!/bin/sh
# Do both images build and run? Built by buildah and tried for real, with no container engine. Needs root.
#
# The base image is made once by debootstrap and kept in .image-cache; everything else lives in a folder that goes
# at the end. MFL_CA names a certificate file for pip where the network needs one of its own.
set -eu
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs PATH="$PATH:/usr/sbin:/sbin"
base=localhost/debian:bookworm-slim
cache=$PWD/.image-cache
ca=${MFL_CA:-${PIP_CERT:-}}

say() { echo "image: $*"; }
fail() { echo "image: FAILED: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root"
for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || fail "needs $tool (apt-get install buildah debootstrap)"
done
scratch=$(mktemp -d)
server=
finish() {
    # The whole group: what runs inside the container outlives the command that started it.
    if [ -n "$server" ]; then
        kill -- "-$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    command buildah --root "$scratch/root" --runroot "$scratch/run" rm --all >/dev/null 2>&1 || true
    umount "$scratch"/*/overlay 2>/dev/null || true
    rm -rf "$scratch" || true
}
trap finish EXIT
trap 'exit 130' INT TERM

buildah() { command buildah --root "$scratch/root" --runroot "$scratch/run" "$@"; }

make_base() {
    if [ ! -f "$cache/bookworm.tar" ]; then
        say "making the base image with debootstrap (once)"
        mkdir -p "$cache"
        debootstrap --variant=minbase bookworm "$scratch/rootfs" >"$scratch/debootstrap.log" 2>&1 ||
            { tail -20 "$scratch/debootstrap.log" >&2; fail "debootstrap"; }
        rm -rf "$scratch/rootfs/var/cache/apt/archives" "$scratch/rootfs/var/lib/apt/lists"
        mkdir -p "$scratch/rootfs/var/cache/apt/archives/partial" "$scratch/rootfs/var/lib/apt/lists/partial"
        tar -C "$scratch/rootfs" -cf "$cache/bookworm.tar.part" .
        mv "$cache/bookworm.tar.part" "$cache/bookworm.tar"
        rm -rf "$scratch/rootfs"
    fi
    container=$(buildah from scratch)
    buildah add -q "$container" "$cache/bookworm.tar" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit -q "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
}

build() {
    say "building target $1"
    set -- --target "$1" -t "localhost/mfl-$1:test"
    if [ -n "$ca" ]; then set -- -v "$ca:/run/ca.crt:ro" --build-arg PIP_CERT=/run/ca.crt "$@"; fi
    buildah bud -q --layers --format docker --network host --build-arg "BASE=$base" "$@" . \
        >"$scratch/build.log" 2>&1 || { tail -40 "$scratch/build.log" >&2; fail "build"; }
}

# size TARGET CONTAINER: what our image adds to its base, and the whole, in megabytes.
size() {
    root=$(buildah mount "$2")
    whole=$(du -sxm "$root" | cut -f1)
    ours=$(du -sxm "$root/opt/mfl" | cut -f1)
    say "$1: $whole MB in all, $ours MB of it ours"
    find "$root" -xdev -perm -4000 -path '*/opt/mfl/*' | grep . && fail "$1: setuid files of ours"
    [ ! -e "$root/opt/mfl/bin/pip" ] || fail "$1: carries pip"
    [ ! -e "$root/usr/bin/gcc" ] || fail "$1: carries a compiler"
    buildah umount "$2" >/dev/null
}

# expect WHAT WANTED GOT
expect() {
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
    say "ok: $1: $3"
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
make_base

build edge
edge=$(buildah from --pull-never localhost/mfl-edge:test)
size edge "$edge"
expect "edge runs as" 10001 "$(buildah run "$edge" -- id -u)"
expect "edge version" "mfl $version" "$(buildah run "$edge" -- mfl --version)"
for package in duckdb pyarrow starlette; do
    if buildah run "$edge" -- python3 -c "import $package" 2>/dev/null; then fail "edge carries $package"; fi
done
say "ok: edge carries no store packages"
message=$(buildah run "$edge" -- mfl store serve x 2>&1 || true)
expect "edge asked to be a store" \
    "mfl store needs the extra 'store': pip install 'machine-for-labor[store]'" "$(echo "$message" | head -1)"
# The example site, with a key of its own and a token, must pass the check.
buildah run "$edge" -- sh -eu -c '
    cp /opt/mfl/lib/python3*/site-packages/config/sites/workshop.yaml .
    key=$(sed -n "s/^key_file: *\([^ ]*\).*/\1/p" workshop.yaml)
    token=$(sed -n "s/^ *token_file: *\([^ ]*\).*/\1/p" workshop.yaml)
    umask 077
    mkdir -p "$(dirname "$key")" "$(dirname "$token")"
    mfl keys new "$key"
    echo "token-for-the-check-alone-0123456789" >"$token"
    mfl gateway check workshop.yaml
' >"$scratch/check.log" 2>&1 || { cat "$scratch/check.log" >&2; fail "gateway check workshop.yaml"; }
say "ok: gateway check workshop.yaml"

build store
store=$(buildah from --pull-never localhost/mfl-store:test)
size store "$store"
expect "store runs as" 10001 "$(buildah run "$store" -- id -u)"
setsid buildah --root "$scratch/root" --runroot "$scratch/run" run "$store" -- mfl store serve /var/lib/mfl/store --port 0 >"$scratch/serve.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's/^serving .* on //p' "$scratch/serve.log")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.2
done
[ -n "$address" ] || { cat "$scratch/serve.log" >&2; fail "the store did not start"; }
python3 - "$address" <<'PYTHON' || { cat "$scratch/serve.log" >&2; fail "the store does not answer"; }
import sys
import urllib.request

for path in ("/health", "/healthz", "/metrics", "/"):
    with urllib.request.urlopen(sys.argv[1] + path, timeout=20) as answer:
        print(f"image: ok: GET {path}: {answer.status}")
PYTHON
say "all well"
