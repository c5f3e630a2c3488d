#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets with clang under the address and undefined-behaviour sanitizers and runs them, one after the
# other, each in one process.
#
# usage: fuzz.sh [TARGET] [SECONDS]
#   TARGET   one of tests/fuzz/fuzz_TARGET.cc (default: all)
#   SECONDS  for each (default 60)
#
# What is found is written to build-fuzz/findings/TARGET. To keep an input, mend the fault and put the file into
# tests/fuzz/corpus/TARGET, where an ordinary test replays it.
# exit status: 0 when nothing was found, 1 when something was, 2 for wrong usage.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(tests/fuzz/fuzz_*.cc)
all=("${all[@]#tests/fuzz/fuzz_}")
all=("${all[@]%.cc}")
targets=("${1:-all}") seconds=${2:-60}
if [[ ${targets[0]} == all ]]; then
  targets=("${all[@]}")
elif [[ ! -f tests/fuzz/fuzz_${targets[0]}.cc ]]; then
  echo "fuzz.sh: there is no target ${targets[0]}; there are: ${all[*]}" >&2
  exit 2
fi
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  sed -n 's/^# \{0,1\}//; 6,8p' "$0" >&2
  exit 2
fi

folder=build-fuzz
if [[ ! -f $folder/build.ninja ]]; then
  CXX=${CXX:-clang++-14} meson setup "$folder" --buildtype=debugoptimized -Doptimization=1 -Dfuzzing=true \
    -Dtests=false -Db_sanitize=address,undefined -Db_lundef=false
fi
ninja -C "$folder" "${targets[@]/#/tests/fuzz/fuzz_}"

# A limit that libFuzzer keeps by itself: input sizes beyond these find nothing but slow inputs.
size_of() {
  case $1 in
    layer | tree) echo 65536 ;;
    *) echo 8192 ;;
  esac
}

status=0
for target in "${targets[@]}"; do
  findings=$folder/findings/$target corpus=$folder/corpus/$target
  mkdir -p "$findings" "$corpus"
  echo "== $target, $seconds seconds"
  UBSAN_OPTIONS=halt_on_error=1 "$folder/tests/fuzz/fuzz_$target" \
    -max_total_time="$seconds" -max_len="$(size_of "$target")" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=0 \
    "$corpus" "tests/fuzz/corpus/$target" || status=1
done
exit $status
