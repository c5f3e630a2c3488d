#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian 12 root filesystem with mmdebstrap and imports it as a base image into imgbuild's store.
#
# usage: make-base.sh [--with PACKAGE,…] [--tar-only] [NAME]
#   NAME        the image to make (default: debian:bookworm, with --with debian:bookworm-gcc)
#   --with      packages to install besides the minimal set
#   --tar-only  print the path of the archive and import nothing
#
# Packages come from the mirrors that this machine's own apt uses. The archive is kept in build/bases/, so that
# only the first run needs a mirror; delete the file to make it anew. IMGBUILD names the program to import with.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n 's/^# \{0,1\}//; 4,8p' "$0" >&2
  exit 2
}

packages='' name='' tar_only=false
while [[ $# -gt 0 ]]; do
  case $1 in
    --with) [[ $# -ge 2 ]] || usage; packages=$2; shift 2 ;;
    --with=*) packages=${1#*=}; shift ;;
    --tar-only) tar_only=true; shift ;;
    -*) usage ;;
    *) [[ -z $name ]] || usage; name=$1; shift ;;
  esac
done
if [[ -z $name ]]; then
  name=debian:bookworm${packages:+-gcc}
fi

# The file time that builds use too, so that two archives of the same packages are the same bytes.
export SOURCE_DATE_EPOCH=315619200
variant=minbase${packages:+-$(printf %s "$packages" | tr -c 'A-Za-z0-9.+' '-')}
archive=build/bases/bookworm-$variant.tar

own_mirrors() {
  apt-get indextargets --no-release-info --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
    awk '$3 ~ /^bookworm(-updates|-security)?$/' | sort -u
}

if [[ ! -s $archive ]]; then
  if ! command -v mmdebstrap >/dev/null; then
    echo "make-base: mmdebstrap is missing: scripts/install-dependencies.sh test installs it" >&2
    exit 1
  fi
  mirrors=$(own_mirrors)
  if [[ -z $mirrors ]]; then
    echo "make-base: this machine's apt knows no mirror of Debian 12 (bookworm)" >&2
    exit 1
  fi
  mkdir -p build/bases
  trap 'rm -f "$archive.new"' EXIT
  mmdebstrap --quiet --format=tar --variant=minbase ${packages:+--include="$packages"} \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/machine-id "$1"/var/log/*.log "$1"/var/log/apt/*' \
    bookworm "$archive.new" - <<<"$mirrors" >&2
  mv "$archive.new" "$archive"
fi

if $tar_only; then
  echo "$archive"
else
  "${IMGBUILD:-build/imgbuild}" import "$archive" "$name"
fi
