# SPDX-License-Identifier: Apache-2.0
"""Small file systems for cases that need a full disk."""

import subprocess

from support.case import need_root


def mount_small(case, path, size):
    """Mounts a tmpfs of `size` (as mount takes it: "8m") at `path` until the case ends."""
    need_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "imgbuild-e2e", path], check=True,
                   capture_output=True)
    case.addCleanup(subprocess.run, ["umount", "--lazy", path], check=False, capture_output=True)


def resize(path, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", path], check=True, capture_output=True)
