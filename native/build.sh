#!/bin/sh
# Builds the native programs: sh native/build.sh [outdir]. SANITIZE=1 builds them with AddressSanitizer and UndefinedBehaviorSanitizer;
# PROGRAMS="init" builds only those named.
# What is up to date, by the content of its sources and the compiler's version, is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/build}
cc=${CC:-cc}
flags="-std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror"
link="-static"
if [ "${SANITIZE:-}" = 1 ]; then
  [ $# -gt 0 ] || out=$here/build/sanitize
  flags="-std=gnu11 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror"
  link=""
fi
mkdir -p "$out"

# program name, then its sources
build() {
  name=$1
  shift
  print=$({ echo "$cc $flags $link $*"; "$cc" --version; cat "$@" "$here"/*.h; } | sha256sum)
  if [ -x "$out/$name" ] && [ "$(cat "$out/$name.print" 2>/dev/null)" = "$print" ]; then
    return 0
  fi
  # Renamed into place, because two builds may run at once and a running program cannot be written to.
  # shellcheck disable=SC2086
  "$cc" $flags $link -o "$out/.$name.$$" "$@"
  mv "$out/.$name.$$" "$out/$name"
  echo "$print" >"$out/.$name.print.$$"
  mv "$out/.$name.print.$$" "$out/$name.print"
}

wanted() {
  case " ${PROGRAMS:-init launcher} " in *" $1 "*) [ -e "$here/$1.c" ] ;; *) return 1 ;; esac
}

# init also is the program that it runs for operations on files.
if wanted init; then build init "$here"/init*.c "$here"/files*.c; fi
if wanted launcher; then build launcher "$here"/launcher*.c; fi
