# SPDX-License-Identifier: Apache-2.0
"""The run attacks of the hostile corpus (tests/hostile), made for one canary, and how they are built: those that have to
end well as stages of one Buildfile, the others each for itself."""

import json
import os
import re
import subprocess
import sys

from support.case import ROOT

KIND = "run-attack"
ALL = bool(os.environ.get("IMGBUILD_TEST_ALL"))
# What a command prints that came through.
CAME_THROUGH = re.compile(r"^#\d+ [\d.]+ ((?:WROTE|MOUNTED|USERNS|READDISK|READMEM|HAVE_TTY|HAVE_NET)\b.*)$", re.MULTILINE)
# May end with an error or well: what counts is what they leave. Exit status 1 is the command's, 2 the text's.
ALONE = {"workdir-proc-self-fd", "entry-proc-self-exe", "cache-source-traversal", "cache-source-symlink-race",
         "bind-source-traversal", "bind-from-image-symlink-root", "fork-bomb"}
REFUSED = {"bind-source-traversal"}
# Told from outside: a signal to the program, a disk that is full.
OUTSIDE = {"ignore-sigterm", "disk-fill"}
# name: rungs where the corpus asks for what is not there, and why.
OPEN = {
    "setuid-works": (("chroot",), "nobody may load a filter there who could gain privileges by it"),
    "net-none": (("chroot",), "no socket of the internet can be made, but addresses of the container are seen"),
}
# Shorter than the corpus has them, unless all is asked for; and without waits that a slow machine needs longer.
SHORTER = {
    "log-flood": [("2000000000", "8000000")],
    "log-no-newline": [("300000000", "4000000")],
    "cache-source-symlink-race": [("seq 3000", "seq 60")],
    "bigdir-race-on-commit": [("seq 3000", "seq 300")],
    "zombies": [("seq 500", "seq 60")],
    "background-daemon": [("/dev/null 2>&1 &) ; true", "/dev/null 2>&1 &) ; while ! test -s /alive; do sleep 0.05; done"),
                          ("sleep 1", "sleep 0.2")],
}
# What would tell of the rung and not of an escape.
CHANGED = {
    # of the machine's own files: where /proc is a directory, another one can be made there
    "proc-write-gadgets": [("do (echo", "do test -e $f && (echo")],
    # a byte has to come: an empty file may stand for the node
    "mknod-disk": [(f"head -c1 /{name} &&", f"head -c1 /{name} | wc -c | grep -q 1 &&") for name in ("disk", "mem")],
    # without a limit of its own it would be the machine's: another user, of whom there may be few processes
    "fork-bomb": [("RUN ", "USER 54321\nRUN ")],
    "net-none": [("grep -v LOOPBACK", "grep -v 'scope host'")],  # addresses stand on lines of their own
    "mount-stub-removal": [("RUN ", "RUN ln -s {canary} /l\nRUN ")],
}
OPTIONS = {"fork-bomb": ["--ulimit", "nproc=64"]}


def attacks(folder, canary):
    """{name: Buildfile} of the corpus, with `canary` as the path outside. The marker of its contexts is in `folder`."""
    corpus = os.path.join(folder, "corpus")
    subprocess.run([sys.executable, os.path.join(ROOT, "tests", "hostile", "gen_hostile.py"), corpus, "--quick", "--only", KIND,
                    "--canary", canary], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(corpus, "manifest.json"), encoding="utf-8") as file:
        names = [case["id"].removeprefix(KIND + "/") for case in json.load(file)["cases"]]
    found = {}
    for name in names:
        with open(os.path.join(corpus, "run-attacks", name, "Buildfile"), encoding="utf-8") as file:
            text = file.read().replace("@BASE@", "busybox")
        for old, new in CHANGED.get(name, []) + ([] if ALL else SHORTER.get(name, [])):
            assert old in text, f"{name}: {old}"
            text = text.replace(old, new.format(canary=canary), 1 if name in CHANGED else -1)
        found[name] = text
    return found


def bundle(texts):
    """One Buildfile whose stages are the attacks and whose last stage needs them all."""
    stages = [re.sub(r"^FROM busybox\n", f"FROM busybox AS attack-{place}\n", text) for place, text in enumerate(texts)]
    mounts = " ".join(f"--mount=from=attack-{place},target=/m/{place}" for place in range(len(texts)))
    return "".join(stages) + f"FROM busybox\nRUN {mounts} true\n"
