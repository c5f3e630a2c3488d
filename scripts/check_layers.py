#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every include points down: which room, and which folder of a room, may see which.

The two tables below are the architecture; docs/architecture.md explains them in sentences and a test compares
the two. A header under detail/ belongs to the folder that holds the detail/.

usage: check_layers.py [--root DIR] [--list]
exit status: 0 when nothing points upward, 1 with one line for each include that does.
"""

import argparse
import os
import re
import sys

# room -> rooms it may include besides itself.
ROOMS = {
    "base": (),
    "parser": ("base",),
    "layerstore": ("base",),
    "fetch": ("base", "layerstore"),
    "unpack": ("base", "layerstore"),
    "builder": ("base", "parser", "layerstore"),
    "cli": ("base", "parser", "layerstore", "builder"),
}

# room -> folder -> folders of the same room it may include besides itself. "" is the room's top folder. A room
# that is not named here is flat or free inside.
FOLDERS = {
    "parser": {
        "source": (),
        "lexer": ("source",),
        "syntax": ("source", "lexer"),
        "instruction": ("source", "lexer", "syntax"),
        "ignore": ("source",),
        "buildfile": ("source", "lexer", "syntax", "instruction", "ignore"),
    },
    "layerstore": {
        "blob": (),
        "tree": ("blob",),
        "layer": ("blob", "tree"),
        "snapshot": ("blob", "tree", "layer"),
        "image": ("blob", "tree", "layer", "snapshot"),
        "store": ("blob", "tree", "layer", "snapshot", "image"),
    },
    "builder": {
        "plan": (),
        "context": (),
        "sandbox": (),
        "image": (),
        "fetch": (),
        "attest": ("plan",),
        "compare": ("remote",),
        "push": ("fetch",),
        "engine": ("fetch",),
        "edit": ("plan",),
        "cache": ("plan",),
        "scrub": (),
        "exchange": ("plan", "fetch", "cache"),
        "resolve": ("plan", "fetch"),
        "remote": ("plan", "context", "fetch", "cache"),
        "solve": ("plan", "context", "sandbox", "image", "fetch", "edit", "cache", "exchange", "remote",
                  "scrub"),
    },
    "cli": {
        "common": (),
        "progress": (),
        "builds": ("progress",),
        "commands": ("common", "progress", "builds"),
    },
}

# room -> folders of lower rooms that it may not see although it may see the room: the two helper programs know
# formats, not the store.
CLOSED = {
    "fetch": ("layerstore/store", "layerstore/snapshot"),
    "unpack": ("layerstore/store", "layerstore/snapshot"),
}

SOURCE = re.compile(r"\.(h|cc)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def sources(root):
    """Every C++ file of every room, as a path from the root, sorted."""
    for room in ROOMS:
        for folder, subfolders, names in os.walk(os.path.join(root, room)):
            subfolders.sort()
            for name in sorted(names):
                if SOURCE.search(name):
                    yield os.path.relpath(os.path.join(folder, name), root)


def includes(path):
    """(line number, included path) of each quoted include of a file."""
    with open(path, encoding="utf-8") as text:
        for number, line in enumerate(text, start=1):
            found = INCLUDE.match(line)
            if found:
                yield number, found.group(1)


def folder_in_room(path):
    """The first folder below the room, "" for a file that lies in the room itself."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def owner_of_detail(path):
    """The folder that owns a private header, None for a public one."""
    parts = path.split("/")
    return "/".join(parts[: parts.index("detail")]) if "detail" in parts else None


def objection(includer, included):
    """Why `includer` may not include `included`; None when it may. Both are paths from the root."""
    room, other = includer.split("/")[0], included.split("/")[0]
    if "/" not in included or other not in ROOMS:
        return "includes are written from the root, as in \"base/error.h\""
    if other != room and other not in ROOMS[room]:
        return f"{room}/ may not know {other}/"
    for folder in CLOSED.get(room, ()):
        if included.startswith(folder + "/"):
            return f"{room}/ may not know {folder}/"
    owner = owner_of_detail(included)
    if owner is not None and not includer.startswith(owner + "/"):
        return f"{owner}/detail/ is private to {owner}/"
    if other == room and room in FOLDERS:
        ours, theirs = folder_in_room(includer), folder_in_room(included)
        allowed = FOLDERS[room].get(ours)
        if allowed is None:
            return f"{room}/{ours or '.'} is not a folder of the table" if ours else None
        if theirs != ours and theirs not in allowed:
            return f"{room}/{ours} may not know {room}/{theirs or '.'}"
    return None


def violations(root):
    """One line for each include that points upward."""
    for path in sources(root):
        for number, included in includes(os.path.join(root, path)):
            reason = objection(path, included)
            if reason:
                yield f'{path}:{number}: "{included}": {reason}'


def print_table():
    for room, below in ROOMS.items():
        print(f"{room}/ may use {', '.join(name + '/' for name in below) or 'nothing'}")
        for folder, others in FOLDERS.get(room, {}).items():
            print(f"  {room}/{folder} may use {', '.join(others) or 'no other folder'}")


def main():
    parser = argparse.ArgumentParser(description="check the direction of includes")
    default_root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default_root, help="the source tree (default: this one)")
    parser.add_argument("--list", action="store_true", help="print the table and stop")
    options = parser.parse_args()
    if options.list:
        print_table()
        return 0
    found = list(violations(options.root))
    for line in found:
        print(line)
    print(f"check_layers: {sum(1 for _ in sources(options.root))} files, {len(found)} includes that point upward")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
