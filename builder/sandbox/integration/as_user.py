#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the sandbox's integration tests as an ordinary user with subordinate ids, who is made when missing.

usage: as_user.py SANDBOX_TEST INSIDE [DOCTEST-OPTION…]
exit status: that of the tests; 77 where no such user can be made
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tests"))
from support import user as users  # noqa: E402

SMALL_DISK_BYTES = 48 << 20


def main():
    try:
        user = users.ordinary_user()
    except unittest.SkipTest as reason:
        print(f"skipped: {reason}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        programs = [shutil.copy(program, folder) for program in sys.argv[1:3]]
        places = {name: os.path.join(folder, name) for name in ("scratch", "small")}
        for place in places.values():
            os.mkdir(place)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "small", places["small"]], check=True)
        try:
            for place in places.values():
                os.chown(place, user.pw_uid, user.pw_gid)
            environment = dict(os.environ, TMPDIR=places["scratch"], IMGBUILD_TEST_SMALL_DISK=places["small"],
                               IMGBUILD_TEST_ROOT_MODE="userns")
            return subprocess.run([programs[0], *sys.argv[3:]], cwd="/", env=environment, user=user.pw_uid,
                                  group=user.pw_gid, extra_groups=[], check=False).returncode
        finally:
            subprocess.run(["umount", places["small"]], check=True)


if __name__ == "__main__":
    sys.exit(main())
