# SPDX-License-Identifier: Apache-2.0
"""Makes hostile inputs with gen_hostile.py and has each judged: what the runners of all kinds share."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# How the program ends when it says itself what is wrong: a step, what it was given, a registry, all else.
REFUSALS = (1, 2, 3, 6)
BASE_MEMORY = 256 << 20  # bytes of address space for the program itself, its threads and its maps


def run_limited(program, arguments, seconds, limit, **options):
    """Runs `program` with `limit` called in the new process; None where it takes longer than `seconds`. `options` are
    more of subprocess.run's."""
    sanitized = "build-sanitize" in program  # their shadow memory is of any size
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    try:
        return subprocess.run([program, *arguments], capture_output=True, timeout=seconds,
                              preexec_fn=None if sanitized else limit, **options)
    except subprocess.TimeoutExpired:
        return None


def control_characters(text):
    return sorted({repr(char) for char in text if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160})


def make_cases(folder, kind, canary=None, is_full=False):
    """Writes the inputs whose id begins with `kind` below `folder`, without those that take long unless `is_full`, and
    gives their cases. Names that try to leave their root aim at `canary`."""
    options = ["--only", kind] + ["--canary", canary] * (canary is not None) + ["--quick"] * (not is_full)
    subprocess.run([sys.executable, os.path.join(HERE, "gen_hostile.py"), folder, *options], check=True,
                   stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        return json.load(file)["cases"]


def run_cases(kind, judge):
    """Judges every case whose id begins with `kind`; judge(case, program, folder) gives what is wrong, or nothing. The
    program is the first argument of the script. Returns the exit status of the whole."""
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="imgbuild-hostile-", dir="/var/tmp") as folder:
        cases = make_cases(folder, kind)
        failed = 0
        for case in cases:
            wrong = judge(case, program, folder)
            if wrong:
                failed += 1
                print(f"{case['id']} ({case.get('why', '')}) {wrong}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not cases else 0
