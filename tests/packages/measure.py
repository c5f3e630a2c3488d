#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which files differ when packages of Debian are installed twice, and whether --repro=strict makes them the same.

Each entry of PACKAGES is installed by one RUN on Debian 12, and again at least a minute later, the cache unused; the
two layers are compared member by member. Packages come from the mirrors that this machine's own apt knows.

usage: measure.py [--strict] [--wait SECONDS] [--work DIR] [NAME...]
  --strict        build with --repro=strict
  --wait SECONDS  between the two builds of an entry (default: 60)
  --work DIR      where store and images go (default: a temporary directory)
  NAME            entries of PACKAGES; all without one
IMGBUILD names the program (default: build/imgbuild).

Prints a table in Markdown. Exit status 1 when --strict was given and something differs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from support.oci import open_layout  # noqa: E402  (the path is set above)
from support.tree import digest  # noqa: E402

# Name of the entry → what its RUN does.
INSTALL = "apt-get install -y -qq --no-install-recommends "
PACKAGES = {
    "apt-get update": "apt-get update -qq",
    "python3": INSTALL + "python3",
    "python3, a program run": INSTALL + "python3 && mkdir /app && echo 'x = {1, 2}' > /app/m.py && cd /app && python3 -c 'import m, json, ssl'",
    "gcc": INSTALL + "gcc libc6-dev",
    "a program and a library by gcc": INSTALL + "gcc libc6-dev && cd /tmp && echo 'int main(void) { return 0; }' > m.c && "
                                      "gcc -g -o m m.c && gcc -c m.c && ar rc libm.a m.o && gcc -shared -fPIC -o libm.so m.c",
    "nginx": INSTALL + "nginx",
    "openssh-server": INSTALL + "openssh-server",
    "git": INSTALL + "git",
    "curl": INSTALL + "curl ca-certificates",
    "fontconfig": INSTALL + "fontconfig fonts-dejavu-core",
    "dbus": INSTALL + "dbus",
    "systemd": INSTALL + "systemd",
    "postgresql": INSTALL + "postgresql",
    "mariadb-server": INSTALL + "mariadb-server",
    "redis-server": INSTALL + "redis-server",
    "php-cli": INSTALL + "php-cli",
    "ruby": INSTALL + "ruby",
    "nodejs": INSTALL + "nodejs",
    # Its scripts want a directory for manual pages, which small bases leave out.
    "default-jre-headless": "mkdir -p /usr/share/man/man1 && " + INSTALL + "default-jre-headless",
    "man-db": INSTALL + "man-db",
    "cron and a user": INSTALL + "cron && useradd -m somebody && echo somebody:secret | chpasswd -e",
}

# The lists are fetched once, so that a mirror that moves on meanwhile is no difference.
BUILDFILE = """FROM debian:bookworm AS lists
RUN apt-get update -qq
FROM {base} AS install
RUN --mount=type=cache,target=/var/cache/apt/archives DEBIAN_FRONTEND=noninteractive sh -ec '{command}' > /dev/null 2>&1
"""


def program():
    return os.path.abspath(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")))


def members_of(layout):
    """{path: (type, mode, owner, link target, digest of the bytes)} of the topmost layer."""
    archive = open_layout(layout).layers()[-1]
    found = {}
    for member in archive:
        data = digest(archive.extractfile(member).read()) if member.isreg() else ""
        found[member.name] = (member.type, member.mode, member.uid, member.gid, member.linkname, data)
    return found


class Measurement:
    """Builds entries in a store of its own."""

    def __init__(self, work, strict):
        self.work = work
        self.strict = strict
        self.environment = {**os.environ, "IMGBUILD_STORE": os.path.join(work, "store")}

    def run(self, *arguments):
        done = subprocess.run([program(), *arguments], env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")

    def prepare(self):
        base = subprocess.run([os.path.join(ROOT, "scripts", "make-base.sh"), "--tar-only"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=True).stdout.strip()
        self.run("import", os.path.join(ROOT, base), "debian:bookworm")

    def build(self, number, name):
        """Installs once more, into a layout of its own."""
        command = PACKAGES[name].replace("'", "'\\''")
        base = "debian:bookworm" if "update" in name else "lists"
        folder = os.path.join(self.work, re.sub(r"\W+", "-", name))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "Buildfile"), "w", encoding="utf-8") as file:
            file.write(BUILDFILE.format(base=base, command=command))
        layout = os.path.join(folder, str(number))
        flags = ["--repro=strict"] if self.strict else []
        self.run("build", "-q", *flags, "--no-cache-filter=install", "-o",
                 f"type=oci,tar=false,compression=uncompressed,dest={layout}", folder)
        return layout

    def row(self, name):
        """How many members the layer has, and those that differ."""
        folder = os.path.join(self.work, re.sub(r"\W+", "-", name))
        first, second = (members_of(os.path.join(folder, number)) for number in "12")
        return len(first), sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))


def measure(names, strict, wait, work):
    """{name: (members, [paths that differ])}"""
    measurement = Measurement(work, strict)
    measurement.prepare()
    built = {}
    for name in names:
        measurement.build(1, name)
        built[name] = time.monotonic()
    rows = {}
    for name in names:
        time.sleep(max(0, built[name] + wait - time.monotonic()))
        measurement.build(2, name)
        rows[name] = measurement.row(name)
    return rows


def table_of(rows):
    lines = ["| installed | entries in the layer | differ |", "| --- | --- | --- |"]
    for name, (entries, paths) in rows.items():
        lines.append(f"| {name} | {entries} | {', '.join(f'`/{path}`' for path in paths) or 'nothing'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="which files of packages differ between two builds")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--wait", type=int, default=60)
    parser.add_argument("--work")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in PACKAGES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory(prefix="imgbuild-packages-", dir="/var/tmp") as temporary:
        rows = measure(options.names or list(PACKAGES), options.strict, options.wait, options.work or temporary)
    print(table_of(rows))
    return 1 if options.strict and any(paths for _, paths in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
