#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the sandbox's integration tests as an ordinary user, made for this run and removed: on the rung `userns` with
subordinate ids, on the rung `single` without.

usage: as_user.py userns|single SANDBOX_TEST INSIDE [DOCTEST-OPTION…]
exit status: that of the tests; 77 where no such user can be made or nothing can be mounted for him
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tests"))
from support import user as users  # noqa: E402

SMALL_DISK_BYTES = 48 << 20
SKIPPED = 77  # as meson reads it


@contextlib.contextmanager
def small_disk(place, owner):
    """A file system of its own at `place`, which the ordinary user could not mount."""
    run_or_skip(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "small", place])
    try:
        os.chown(place, owner.pw_uid, owner.pw_gid)
        yield
    finally:
        subprocess.run(["umount", place], check=False)


def run_or_skip(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(done.stderr.partition("\n")[0])


@contextlib.contextmanager
def ordinary_user(rung):
    # A name of our own: the end-to-end tests remove theirs when they end, which may be while these run.
    users.NAME = f"imgbuild-sandbox-{os.getpid()}"
    users.LONELY_NAME = f"{users.NAME}-one"
    try:
        yield users.ordinary_user() if rung == "userns" else users.lonely_user()
    except subprocess.CalledProcessError as failed:
        raise unittest.SkipTest(f"{failed.cmd[0]}: {failed.stderr.decode(errors='replace').strip()}") from failed
    finally:
        users.remove_users()


def run_tests(rung, programs, options):
    with ordinary_user(rung) as user, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        programs = [shutil.copy(program, folder) for program in programs]
        scratch, small = (os.path.join(folder, name) for name in ("scratch", "small"))
        os.mkdir(scratch)
        os.mkdir(small)
        os.chown(scratch, user.pw_uid, user.pw_gid)
        with small_disk(small, user):
            environment = dict(os.environ, TMPDIR=scratch, IMGBUILD_TEST_SMALL_DISK=small,
                               IMGBUILD_TEST_ROOT_MODE=rung)
            return subprocess.run([programs[0], *options], cwd="/", env=environment, user=user.pw_uid,
                                  group=user.pw_gid, extra_groups=[], check=False).returncode


def main():
    try:
        return run_tests(sys.argv[1], sys.argv[2:4], sys.argv[4:])
    except unittest.SkipTest as reason:
        print(f"skipped: {reason}")
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
