#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a first image: installs what is missing, compiles, builds examples/hello and says what came
# out. Run it again, and nothing has to be done twice.
#
# BUILD_DIR is where to compile (default: build).
set -euo pipefail
cd "$(dirname "$0")/.."
build_dir=${BUILD_DIR:-build}

scripts/install-dependencies.sh build
if [[ ! -f $build_dir/build.ninja ]]; then
  meson setup "$build_dir" --buildtype=release -Dtests=false --unity=on --unity-size=12
fi
ninja -C "$build_dir"

imgbuild=$build_dir/imgbuild
name=hello:latest
job=(-t "$name" -f examples/hello/Buildfile examples/hello)

echo
echo "Building examples/hello"
# Asked first whether all is known, so that a second run can say so.
if "$imgbuild" build -q --require-cached "${job[@]}" >/dev/null 2>&1; then
  echo "Fully cached: every step is known, nothing had to run."
else
  "$imgbuild" build --progress=plain "${job[@]}"
fi
python3 scripts/describe_image.py "$imgbuild" "$name"
