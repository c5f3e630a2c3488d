#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the same Buildfiles with imgbuild and with buildah and compares files and configs: the whole fixed table, or
# random Buildfiles. Needs root and buildah.
#
# usage: differential.sh [-k PATTERN | --sample | --seed N --count M] [--jobs N]
#   -k PATTERN  only the cases of the table whose name contains PATTERN
#   --sample    a part of the table
#   --seed N    random Buildfiles, of seed N and of those behind it (--count M, else 100)
#   --jobs N    cases at once (default: one per processor)
#
# IMGBUILD names the program; without it, build/imgbuild is brought up to date and used.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${IMGBUILD:-} ]]; then
  if [[ ! -f build/build.ninja ]]; then
    meson setup build --unity=on --unity-size=12 -Dtests=false
  fi
  ninja -C build imgbuild libexec/imgbuild/imgbuild-fetch libexec/imgbuild/imgbuild-unpack
  IMGBUILD=$PWD/build/imgbuild
fi
export IMGBUILD
exec python3 tests/differential/run.py "$@"
