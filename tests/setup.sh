# shellcheck shell=bash
# What building and testing Atek needs on a Debian machine. Sourced by ./tests/run, ./image/run and ./image/build.

OLDEST_CARGO=1.95
OLDEST_NODE=20.19

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

need_root() {
  is_root || fail "run this as root: the test machine is made of namespaces and mounts"
}

need_namespaces() {
  unshare --mount --pid --net --fork true 2>/dev/null ||
    fail "this machine does not let root make namespaces (a container without CAP_SYS_ADMIN?)"
}

# need_packages NAME… installs the Debian packages that are missing, or says their names when this is not root.
need_packages() {
  local name missing=()
  for name in "$@"; do
    dpkg-query --show --showformat='${Status}\n' "$name" 2>/dev/null | grep -q ' installed$' || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "this is no Debian machine; install by hand: ${missing[*]}"
  is_root || fail "only root installs packages: apt-get install --no-install-recommends ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}" || fail "cannot install ${missing[*]}"
}

need_build_tools() {
  # Tests sign tags with the last three.
  need_packages build-essential pkg-config libssl-dev libsystemd-dev ca-certificates openssh-client gnupg gpgv
  command -v git >/dev/null || need_packages git
  need_rust
  [ -n "${ATEK_WEB_DIST:-}" ] || need_node
}

# The pages are built by node and npm, in the build scripts of atekd and lonestar.
need_node() {
  command -v npm >/dev/null || need_packages nodejs npm
  local found
  found=$(node --version 2>/dev/null)
  is_at_least "$OLDEST_NODE" "${found#v}" || fail "node $OLDEST_NODE or newer is needed; found: ${found:-none}"
}

# The rootfs and the network of the test machine, a disk that can be filled, and npm for the fixture apps.
need_machine_tools() {
  need_packages mmdebstrap zstd iproute2 nftables openssl e2fsprogs
  need_node
}

# Chromium and Firefox, a font for their pictures, and the stories' npm packages.
need_browser() {
  need_packages chromium firefox-esr fonts-dejavu-core
  need_node
  local web=tests/web
  [ "$web/node_modules/.package-lock.json" -nt "$web/package-lock.json" ] && return
  say "installing the npm packages of $web"
  (cd "$web" && npm ci --ignore-scripts) || fail "cannot install the npm packages of $web"
}

# What makes the SD card: everything else is in a toolbox that it makes for itself.
need_image_tools() {
  need_packages mmdebstrap
}

# What boots a card. As root that is the toolbox's emulator, which is the same on every machine. Other users cannot
# enter the toolbox, so for them it is the emulator of this machine.
need_emulator() {
  if is_root; then
    need_namespaces
    need_image_tools
  elif ! command -v qemu-system-aarch64 >/dev/null; then
    need_packages qemu-system-arm
  fi
}

need_rust() {
  export PATH="$PATH:$HOME/.cargo/bin"
  if ! rust_is_new_enough && command -v apt-get >/dev/null; then
    # Debian keeps a current Rust for its browsers, beside the release's own.
    need_packages cargo-web rustc-web libstd-rust-web-dev rustfmt-web rust-web-clippy
    hash -r
  fi
  rust_is_new_enough || fail "cargo $OLDEST_CARGO or newer is needed; found: $(cargo --version 2>&1 | head -n 1)"
}

rust_is_new_enough() {
  local found
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
  is_at_least "$OLDEST_CARGO" "$found"
}

# is_at_least WANTED FOUND compares two versions.
is_at_least() {
  [ -n "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

need_nextest() {
  cargo nextest --version >/dev/null 2>&1 && return
  say "installing cargo-nextest (a few minutes, once)"
  cargo install --locked cargo-nextest || fail "cannot install cargo-nextest"
}

# Checks of the dependencies: unused ones, licences, sources, advisories.
need_cargo_tools() {
  local tool
  for tool in cargo-machete cargo-deny; do
    command -v "$tool" >/dev/null && continue
    say "installing $tool (a few minutes, once)"
    cargo install --locked "$tool" || fail "cannot install $tool"
  done
}
