#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build imgbuild, or to test it, with apt: as root, or through sudo.
#
# usage: install-dependencies.sh [build|test]
# Touches nothing when everything is there already, so that it costs nothing to run again.
set -euo pipefail

build_packages=(
  g++ meson ninja-build pkg-config python3
  libfmt-dev nlohmann-json3-dev libcli11-dev doctest-dev
  zlib1g-dev libzstd-dev libdeflate-dev libssl-dev libsqlite3-dev
  libseccomp-dev                             # the sandbox
  libarchive-dev libcurl4-openssl-dev libtomlplusplus-dev  # the two helper programs
  busybox-static                             # the embedded default base
  uidmap                                     # builds by an ordinary user
)
test_packages=(
  skopeo umoci crun podman buildah           # the judges
  diffoscope-minimal                         # a judge of differences
  docker-registry mmdebstrap debian-archive-keyring ca-certificates openssl zstd
  slirp4netns passt
  strace bzip2 xz-utils
  btrfs-progs xfsprogs                       # file systems to test on
  git                                        # to find what the lint checks
  clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
)
# One more judge; where docker came from docker itself, its containerd is there, and Debian's would push it out.
command -v containerd >/dev/null || test_packages+=(containerd)

purpose=${1:-build}
case $purpose in
  build) wanted=("${build_packages[@]}") ;;
  test) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *)
    echo "usage: $0 [build|test]" >&2
    exit 2
    ;;
esac

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v apt-get >/dev/null; then
  echo "$0: there is no apt-get here; install by other means what corresponds to: ${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  echo "Everything that is needed to $purpose is installed."
  exit 0
fi

if [[ $(id -u) -eq 0 ]]; then
  as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo >/dev/null; then
  as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
else
  echo "$0: these packages are missing: ${missing[*]}" >&2
  echo "$0: run as root, or install sudo, or ask an administrator for: apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
