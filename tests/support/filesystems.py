# SPDX-License-Identifier: Apache-2.0
"""File systems of several kinds, each mounted for a while: in memory, in files through loop devices, and overlaid."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import unittest

from support.case import need_root

SIZE_BYTES = 320 << 20  # of the file behind a loop device, most of it holes: the least that xfs takes
MAKERS = {"ext4": ["mkfs.ext4", "-q"], "xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}
KINDS = ("ext4", "tmpfs", "overlay", "xfs", "btrfs")


def run_or_skip(*command):
    """Runs a program; skips the case with its reason when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"{command[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


@contextlib.contextmanager
def mounted(kind, size=SIZE_BYTES, options=()):
    """A folder that is an empty file system of `kind`, of `size` bytes where it has a size; `options` are more of its
    mkfs. Skips the case where there can be none."""
    need_root()
    place = tempfile.mkdtemp(prefix=f"imgbuild-{kind}-", dir="/var/tmp")
    point = os.path.join(place, "mnt")
    os.mkdir(point)
    try:
        if kind == "tmpfs":
            run_or_skip("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "imgbuild-test", point)
        elif kind == "overlay":
            for name in ("lower", "upper", "work"):
                os.mkdir(os.path.join(place, name))
            run_or_skip("mount", "-t", "overlay", "-o", ",".join(
                f"{key}={place}/{name}" for key, name in (("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work"))),
                "imgbuild-test", point)
        else:
            image = os.path.join(place, "image")
            with open(image, "wb") as file:
                file.truncate(size)
            if shutil.which(MAKERS[kind][0]) is None:
                raise unittest.SkipTest(f"{MAKERS[kind][0]} is not installed")
            run_or_skip(*MAKERS[kind], *options, image)
            run_or_skip("mount", "-o", "loop", image, point)
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
        shutil.rmtree(place, ignore_errors=True)
