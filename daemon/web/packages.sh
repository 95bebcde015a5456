# shellcheck shell=bash
# The npm packages of this folder. Sourced by ./build and ./check, which hold the lock.

# need_node_packages build|all: what a build needs, or what the checks need too. Nothing to do when they are there.
need_node_packages() {
  local which=$1 lock stamp=node_modules/.atek-installed omit=(--omit=dev)
  command -v npm >/dev/null || {
    echo "error: the web pages need node 20.19 or newer and npm: apt install nodejs npm" >&2
    return 1
  }
  lock=$(sha256sum package-lock.json | cut -d' ' -f1)
  case $(cat "$stamp" 2>/dev/null) in
    "$lock all" | "$lock $which") return 0 ;;
  esac
  [ "$which" = all ] && omit=(--include=dev)
  echo "web: installing npm packages ($which)"
  # Scripts of packages are not needed, so they do not run.
  npm ci "${omit[@]}" --ignore-scripts --no-fund --no-audit --loglevel=error
  echo "$lock $which" >"$stamp"
}
