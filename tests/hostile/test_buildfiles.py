#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the hostile Buildfiles of gen_hostile.py and compares with what must happen to each.

usage: test_buildfiles.py IMGBUILD
"accept" must be built, "refuse" refused with an error that stands at the line of the case, "neutralise" may be either;
nothing may crash, hang, print a control character, or use more memory than its case allows.
exit status: 0 when every case behaved.
"""

import os
import re
import resource
import sys
import tempfile

from cases import BASE_MEMORY, REFUSALS, control_characters, run_cases, run_limited

# Refused for what the text names, not for the text: the message need not stand at its line.
WITHOUT_LINE = {
    "buildfile/target-missing": "the command line is wrong, not the file",
}


def wrong_line(case, said):
    """What is wrong with the places that the message names; empty when one is right or none is wanted."""
    wanted = case.get("line_any") or ([case["line"]] if "line" in case else [])
    if not wanted or case["id"] in WITHOUT_LINE:
        return ""
    found = sorted({int(number) for number in re.findall(r"Buildfile:(\d+):", said)})
    return "" if any(number in wanted for number in found) else f"names the lines {found} and not {wanted}: {said[-300:]}"


def judge(case, program, folder):
    """What is wrong with how `program` took `case`; empty when nothing is."""
    limits = case["limits"]

    def limit():
        size = BASE_MEMORY + (limits["rss_mb"] << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))

    context = os.path.join(folder, case["path"])
    with tempfile.TemporaryDirectory(dir=folder) as store:
        arguments = ["--store", store, "build", "-q", "--offline", "-t", "hostile:1", *case.get("args", ()), context]
        done = run_limited(program, arguments, limits["seconds"] * 3, limit)
    if done is None:
        return "hangs"
    said = (done.stdout + done.stderr).decode(errors="surrogateescape")
    if done.returncode not in (0, *REFUSALS):
        return f"ends with status {done.returncode}: {said[-300:]}"
    if control_characters(said):
        return f"prints {', '.join(control_characters(said))}"
    if case["expect"] == "accept" and done.returncode != 0:
        return f"is refused: {said[-300:]}"
    if case["expect"] == "refuse":
        return wrong_line(case, said) if done.returncode else "is built"
    return ""


if __name__ == "__main__":
    sys.exit(run_cases("buildfile/", judge))
