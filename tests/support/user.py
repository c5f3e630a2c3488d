# SPDX-License-Identifier: Apache-2.0
"""Ordinary users, with subordinate ids and without, so that a suite that runs as root can also test what users do."""

import contextlib
import fcntl
import os
import pwd
import shutil
import subprocess
import unittest

NAME = "imgbuild-e2e"
LONELY_NAME = "imgbuild-e2e-one"
FIRST_SUBORDINATE_ID = 700_000_000
SUBORDINATE_IDS = 65536
LOCK = "/run/lock/imgbuild-e2e-user"
IN_USE = "/run/lock/imgbuild-e2e-users-in-use"


@contextlib.contextmanager
def locked():
    """Cases run in parallel and share the user."""
    with open(LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_subordinate_ids():
    with contextlib.suppress(FileNotFoundError):
        with open("/etc/subuid", encoding="utf-8") as file:
            return any(line.startswith(NAME + ":") for line in file)
    return False


def ordinary_user():
    """The user, made when missing. Skips the case where this cannot be done."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root to become another user")
    if shutil.which("newuidmap") is None:
        raise unittest.SkipTest("newuidmap is not installed")
    with locked():
        try:
            user = pwd.getpwnam(NAME)
        except KeyError:
            subprocess.run(["useradd", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
                            NAME], check=True, capture_output=True)
            user = pwd.getpwnam(NAME)
        if not has_subordinate_ids():
            span = f"{FIRST_SUBORDINATE_ID}-{FIRST_SUBORDINATE_ID + SUBORDINATE_IDS - 1}"
            subprocess.run(["usermod", "--add-subuids", span, "--add-subgids", span, NAME], check=True,
                           capture_output=True)
    return user


def lonely_user():
    """A user without subordinate ids, made when missing. Skips the case where this cannot be done."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root to become another user")
    with locked():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(LONELY_NAME)
        # A system account: useradd gives no subordinate ids to those.
        subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
                        "/usr/sbin/nologin", LONELY_NAME], check=True, capture_output=True)
    return pwd.getpwnam(LONELY_NAME)


@contextlib.contextmanager
def users_go_away_afterwards():
    """Takes the users away again in the end, unless another run of the tests still needs them."""
    if os.geteuid() != 0:
        yield
        return
    with open(IN_USE, "w", encoding="ascii") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        yield
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_users()


def remove_users():
    """Takes the users away again; fine when there are none."""
    with locked():
        for name in (NAME, LONELY_NAME):
            subprocess.run(["userdel", "--force", name], check=False, capture_output=True)


def become_ordinary_user(case):
    """From here on `case` runs the program as the ordinary user, from a copy that this user can reach."""
    return become(case, ordinary_user())


def become_lonely_user(case):
    """The same as the user without subordinate ids."""
    return become(case, lonely_user())


def become(case, user):
    copy = case.make_folder("bin")
    source = os.path.dirname(os.path.realpath(case.program))
    shutil.copy(case.program, os.path.join(copy, "imgbuild"))
    if os.path.isdir(os.path.join(source, "libexec")):
        shutil.copytree(os.path.join(source, "libexec"), os.path.join(copy, "libexec"))
    case.program = os.path.join(copy, "imgbuild")
    case.identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    os.chmod(case.folder, 0o755)
    for path in (case.folder, case.home, case.temporary):
        os.chown(path, user.pw_uid, user.pw_gid)
    return user
