# shellcheck shell=sh
# Sourced by the atoll script and by test/run: installs exactly what package-lock.json says, once.

# bootstrap DIRECTORY: DIRECTORY is the top of the checkout.
bootstrap() {
  if ! command -v npm >/dev/null 2>&1; then
    echo "atoll: cannot install its packages: npm is not on PATH" >&2
    echo "  Install Node.js 20 or newer together with npm, and try again." >&2
    exit 125
  fi
  # Two first calls at once must not remove each other's node_modules. The lock is on the lock file itself, read-only.
  exec 9<"$1/package-lock.json"
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  if cmp -s "$1/package-lock.json" "$1/node_modules/.atoll-lock"; then
    touch "$1/node_modules/.atoll-lock"
  else
    bootstrap_install "$1"
  fi
  exec 9<&-
}

bootstrap_install() {
  echo "atoll: installing npm packages (first use, about 10 seconds)" >&2
  if ! bootstrap_output=$(cd "$1" && npm ci --no-progress --loglevel=warn 2>&1 9<&-); then
    printf '%s\n' "$bootstrap_output" >&2
    echo "atoll: cannot install its packages: npm ci failed in $1" >&2
    echo "  Read npm's message above; the registry must be reachable and the directory writable." >&2
    exit 125
  fi
  if [ ! -x "$1/node_modules/.bin/node" ]; then
    echo "atoll: cannot find the node that npm should have installed in $1/node_modules" >&2
    echo "  Check that npm may run install scripts (npm config get ignore-scripts), remove node_modules and try again." >&2
    exit 125
  fi
  cp "$1/package-lock.json" "$1/node_modules/.atoll-lock"
}
