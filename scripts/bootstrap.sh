# Sourced by the scripts a person starts: puts Node 24 and the locked dependencies in place, and installs system packages.
# Needs bash, git and any Node >= 18 with npm. Exits 2 with one sentence when something has to be done by hand.

PNPM_VERSION=12.21.0

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

# Runs a command as root when that is possible without asking; fails otherwise.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# system_packages COMMAND-OR-CHECK... -- APT-PACKAGE... -- BREW-PACKAGE...
# Installs the packages when one of the commands is missing.
system_packages() {
  local missing=0
  while [ "$1" != -- ]; do command -v "$1" >/dev/null 2>&1 || missing=1; shift; done
  [ $missing = 1 ] || return 0
  shift
  local apt=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do apt+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  install_packages "${apt[*]}" "$*"
}

# install_packages "APT PACKAGES" "BREW PACKAGES": by apt when root or passwordless sudo allows, else says the one line to run.
install_packages() {
  if command -v apt-get >/dev/null; then
    say "Installing $1 ..."
    # policy-rc.d keeps the services that packages bring from being started while they are installed.
    # shellcheck disable=SC2016
    if as_root sh -c '
      policy=/usr/sbin/policy-rc.d
      if [ ! -e "$policy" ]; then printf "#!/bin/sh\nexit 101\n" >"$policy"; chmod 755 "$policy"; trap "rm -f $policy" EXIT; fi
      export DEBIAN_FRONTEND=noninteractive
      apt-get -qq update >/dev/null 2>&1
      apt-get -qq install -y --no-install-recommends '"$1"' >/dev/null 2>&1'; then return 0; fi
    die "Please run: sudo apt-get update && sudo apt-get install -y $1"
  fi
  if command -v brew >/dev/null || [ "$(uname)" = Darwin ]; then die "Please run: brew install ${2:-$1}"; fi
  die "Please install with your system's package manager: $1"
}

# Puts the locked dependencies in place; quick when nothing changed.
install_dependencies() {
  command -v node >/dev/null && command -v npm >/dev/null || die "Please install Node.js 18 or newer with npm (for example: sudo apt-get install -y nodejs npm)."
  [ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || die "Node.js $(node --version) is too old to begin with: please install 18 or newer."
  if ! cmp -s pnpm-lock.yaml node_modules/.pnpm/lock.yaml; then
    say "Installing the locked dependencies ..."
    npx --yes "pnpm@$PNPM_VERSION" install --frozen-lockfile --reporter=silent ||
      npx --yes "pnpm@$PNPM_VERSION" install --frozen-lockfile || die "The dependencies could not be installed; see above."
  fi
  use_node_24
}

# A system Node >= 24 is used as it is; else the one that came with the dependencies.
use_node_24() {
  if [ "$(node -p 'parseInt(process.versions.node)')" -lt 24 ]; then
    [ -x node_modules/.bin/node ] || die "Please install Node.js 24 or newer: there is no npm package of it for this machine."
    PATH="$PWD/node_modules/.bin:$PATH"
  fi
  export PATH
}

# ffmpeg >= 5.1 with libx264.
install_ffmpeg() {
  command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || install_packages ffmpeg ffmpeg
  # Not piped into grep -q, which would end ffmpeg early and, under pipefail, look like a failure.
  case "$(ffmpeg -hide_banner -encoders 2>/dev/null)" in *' libx264 '*) return 0 ;; esac
  die "The ffmpeg at $(command -v ffmpeg) has no libx264 encoder: please install one that has (Debian and Ubuntu: sudo apt-get install -y ffmpeg)."
}

# Redis from the system's packages, never as a service that runs.
install_redis() { system_packages redis-server -- redis-server -- redis; }

# What fetches and runs Kafka.
install_java() { system_packages java mvn -- default-jre-headless maven -- openjdk maven; }

# The balancer in front of separate services.
install_haproxy() {
  PATH="$PATH:/usr/sbin"
  system_packages haproxy -- haproxy -- haproxy
}
