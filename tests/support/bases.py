# SPDX-License-Identifier: Apache-2.0
"""Root filesystems that cases start from: busybox, and Debian where a mirror can be reached."""

import fcntl
import os
import subprocess
import unittest

from support.case import ROOT, need_tool


def busybox_tar(case):
    """The default base as an archive, made by the script that the build uses."""
    path = case.path("busybox.tar")
    if not os.path.exists(path):
        subprocess.run([os.path.join(ROOT, "scripts", "make-busybox.sh"), path], check=True, capture_output=True)
    return path


def debian_tar(packages=""):
    """A Debian 12 root filesystem, kept in build/bases for the next case. Skips where none can be made."""
    need_tool("mmdebstrap")
    os.makedirs(os.path.join(ROOT, "build", "bases"), exist_ok=True)
    arguments = [os.path.join(ROOT, "scripts", "make-base.sh"), "--tar-only"]
    if packages:
        arguments += ["--with", packages]
    with open(os.path.join(ROOT, "build", "bases", ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(arguments, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if made.returncode != 0:
        raise unittest.SkipTest(f"no Debian base can be made here: {made.stderr.strip().splitlines()[-1:]}")
    return os.path.join(ROOT, made.stdout.strip())
