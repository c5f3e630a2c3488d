#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Feeds the hostile layers of gen_hostile.py to the layer reader and compares with what must happen to each.

usage: test_layers.py READER
READER takes a file and exits 0 (taken) or 1 (refused, with a reason). "accept" must be taken, "refuse" refused,
"neutralise" may be either; nothing may crash, hang, or use more memory than its case allows.
exit status: 0 when every case behaved.
"""

import os
import resource
import sys

from cases import run_cases, run_limited

ADDRESS_SPACE = 2 << 30  # bytes; generous, because the sanitizers' shadow is not counted here


def judge(case, reader, folder):
    """What is wrong with how `reader` took `case`; empty when nothing is."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    done = run_limited(reader, [os.path.join(folder, case["path"])], case["limits"]["seconds"], limit)
    if done is None:
        return "hangs"
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode not in (0, 1):
        return f"ends with status {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
    if case["expect"] == "accept" and done.returncode != 0:
        return f"is refused: {said}"
    if case["expect"] == "refuse" and done.returncode == 0:
        return "is taken"
    if done.returncode == 1 and (not said or any(ord(char) < 32 for char in said)):
        return f"gives a reason that is not one printable line: {said!r}"
    return ""


if __name__ == "__main__":
    sys.exit(run_cases("layer/", judge))
