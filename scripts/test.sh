#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, compiles with every warning an error, and runs all tests: format and lint, the unit,
# golden and replay tests of the rooms, then the end-to-end tests of the built program.
#
# usage: test.sh [--sanitize] [-k PATTERN]
#   --sanitize  run the rooms' tests under the address and undefined-behaviour sanitizers
#   -k PATTERN  of the end-to-end tests only those whose name contains PATTERN
#
# Ends with "N passed, N failed, N skipped"; the exit status is 0 when nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

sanitize=false pattern=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --sanitize) sanitize=true; shift ;;
    -k) pattern=(-k "${2:?-k needs a pattern}"); shift 2 ;;
    *) sed -n 's/^# \{0,1\}//; 6,8p' "$0" >&2; exit 2 ;;
  esac
done

scripts/install-dependencies.sh test
results=$(mktemp -d)

# The bases of the examples come from a mirror while the compiler works; the cases that need them wait for this lock
# and make what is missing themselves.
mkdir -p build/bases
{
  flock 9
  scripts/make-base.sh --tar-only && scripts/make-base.sh --tar-only --with gcc,libc6-dev,make
} 9>build/bases/.lock </dev/null >/dev/null 2>&1 &
bases=$!
trap 'kill "$bases" 2>/dev/null || true; rm -rf "$results"' EXIT

# The files of a library are compiled some together: a third of the time.
compile() { # FOLDER MESON-OPTION…
  if [[ ! -f $1/build.ninja ]]; then
    meson setup "$@" --unity=on --unity-size=12 --werror
  fi
  ninja -C "$1"
}

run_rooms() { # FOLDER MESON-TEST-OPTION…
  # Its failures are counted from the log, together with everything else. One more at once than processors: commands in
  # sandboxes wait, too.
  meson test -C "$1" --num-processes "$(($(nproc) + 1))" --print-errorlogs "${@:2}" </dev/null || true
  cp "$1/meson-logs/testlog.json" "$results/$(basename "$1").json"
}

# The judgement of a clone; an unpacked archive has no list of its files.
if git rev-parse --git-dir >/dev/null 2>&1; then
  echo '== format and lint'
  status=pass
  scripts/pre-commit --all || status=fail
  echo "$status" >"$results/format.status"
fi

# Optimised as far as it compiles fast: what is measured is built by the benchmarks.
optimised=(--buildtype=release -Doptimization=1)
if $sanitize; then
  echo '== tests of the rooms under sanitizers'
  # Unoptimised: instrumented code takes the compiler three times as long with -O1, more than the tests gain by it.
  compile build-sanitize --buildtype=plain -Dcpp_args=-g1 -Db_sanitize=address,undefined
  run_rooms build-sanitize --timeout-multiplier 3
  echo '== compiling the program'
  compile build-program "${optimised[@]}" -Dtests=false
  program=build-program/imgbuild
else
  echo '== tests of the rooms'
  compile build-test "${optimised[@]}"
  run_rooms build-test
  program=build-test/imgbuild
fi

echo '== end-to-end tests'
IMGBUILD=$PWD/$program python3 tests/e2e/run.py --summary "$results/e2e.summary" "${pattern[@]}" || true

python3 tests/support/summary.py "$results"
