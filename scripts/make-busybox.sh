#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Assembles the root filesystem of the default base: Debian's statically linked busybox, a link for each of its
# applets, and the few files that programs expect. The same busybox gives the same bytes on any machine.
#
# usage: make-busybox.sh OUTPUT.tar [BUSYBOX]
set -euo pipefail

output=${1:?usage: make-busybox.sh OUTPUT.tar [BUSYBOX]}
busybox=${2:-/bin/busybox}

if [[ ! -x $busybox ]]; then
  echo "make-busybox: $busybox: no such program: scripts/install-dependencies.sh build installs busybox-static" >&2
  exit 1
fi
# A dynamic one asks for a loader, and would not start in an image without libraries.
if LC_ALL=C readelf --program-headers "$busybox" | grep -qw INTERP; then
  echo "make-busybox: $busybox: not statically linked: install busybox-static" >&2
  exit 1
fi

umask 022
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,dev,proc,sys,run,home,var/{cache,log,spool,tmp}}
mkdir -m 700 "$root/root"
mkdir -m 1777 "$root/tmp"
chmod 1777 "$root/var/tmp"
install -m 755 "$busybox" "$root/bin/busybox"

# "linuxrc" is for an initial ramdisk and stands outside any bin directory.
"$busybox" --list-full | grep / | while read -r applet; do
  [[ $applet == bin/busybox ]] && continue
  up=${applet//[!\/]/}
  ln -s "${up//\//../}bin/busybox" "$root/$applet"
done

cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
END
cat >"$root/etc/group" <<'END'
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
disk:x:6:
mail:x:8:
www-data:x:33:
operator:x:37:
staff:x:50:
users:x:100:
nogroup:x:65534:
END
cat >"$root/etc/profile" <<'END'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
END
cat >"$root/etc/nsswitch.conf" <<'END'
hosts: files dns
END

# 1980-01-02T00:00:00Z, the time that every entry of a build has.
LC_ALL=C tar --create --file="$output" --directory="$root" --format=ustar --sort=name --mtime=@315619200 \
  --owner=0 --group=0 --numeric-owner --no-selinux --no-acls --no-xattrs \
  bin dev etc home proc root run sbin sys tmp usr var
