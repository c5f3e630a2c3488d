# SPDX-License-Identifier: Apache-2.0
"""The same image on every rung, byte for byte: the table of tests/rungs.

Root in a user namespace differs from an ordinary user in who gives the ids alone: there a part of the table is built,
and all of it with IMGBUILD_TEST_ALL=1.
"""

import os
import unittest

from rungs.buildfiles import BUILDFILES, DIFFERENCES, SECRET
from support.case import EndToEnd, write_tree
from support.rungs import KINDS, places_of

# One shell builds all: in a container each command would start another one.
BUILD_ALL = """
cd "$1"; mode=$2; shift 2
for folder in "$@"; do
  if found=$(xargs imgbuild build -q --root-mode="$mode" "$folder" < "$folder.options" 2>&1); then echo "$folder $found"
  else echo "$folder $(echo "$found" | tail -n 3 | tr '\\n' ' ')"; fi
done
"""
LEAST = 40
PART = 6


def names_for(kind):
    """The Buildfiles that are built in places of this kind."""
    is_part = kind.who == "root" and kind.mode != "root" and not os.environ.get("IMGBUILD_TEST_ALL")
    return [name for place, name in enumerate(BUILDFILES) if not is_part or place % PART == 0 or name in DIFFERENCES]


def digests_of(place):
    """{name: digest, or what the build said instead} of the Buildfiles for this place."""
    work = os.path.join(place.folder, "work")
    os.mkdir(work)
    names = {f"{number:02}": name for number, name in enumerate(names_for(place.kind))}
    for number, name in names.items():
        text, tree, options = BUILDFILES[name]
        write_tree(os.path.join(work, number), {"Buildfile": text, **tree})
        write_tree(work, {number + ".options": " ".join(options)})
    said = place.run("sh", "-c", BUILD_ALL, "sh", place.path("work"), place.kind.mode, *names, env={"KEY": SECRET}).stdout
    found = dict(line.split(" ", 1) for line in said.splitlines())
    return {name: found[number] for number, name in names.items()}


class SameImage(EndToEnd):
    def test_every_rung_gives_the_same_image(self):
        places, missing = places_of(self)
        if len(places) < 2:
            raise unittest.SkipTest(f"one rung alone is there: {missing}")
        self.assertGreaterEqual(len(BUILDFILES), LEAST)
        found = {place.kind.name: digests_of(place) for place in places}
        reference = found[places[0].kind.name]
        wrong = [f"{name}: {reference[name]}" for name in BUILDFILES if not reference[name].startswith("sha256:")]
        for place, digests in found.items():
            for name, digest in digests.items():
                differs = digest != reference[name]
                if differs != (place in DIFFERENCES.get(name, {})):
                    wrong.append(f"{name}: {place}: {digest} and not {reference[name]}" if differs
                                 else f"{name}: {place}: is the same, and the table says that it cannot be")
        self.assertEqual(wrong, [], f"not here: {missing}")

    def test_the_table_names_places_that_there_are(self):
        known = {kind.name for kind in KINDS}
        for name, places in DIFFERENCES.items():
            self.assertIn(name, BUILDFILES)
            self.assertLessEqual(set(places), known)
