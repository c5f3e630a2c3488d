# SPDX-License-Identifier: Apache-2.0
"""Makes hostile inputs with gen_hostile.py and has each judged: what the runners of all kinds share."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run_limited(program, arguments, seconds, limit):
    """Runs `program` with `limit` called in the new process; None where it takes longer than `seconds`."""
    sanitized = "build-sanitize" in program  # their shadow memory is of any size
    try:
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                              preexec_fn=None if sanitized else limit)
    except subprocess.TimeoutExpired:
        return None


def run_cases(kind, judge):
    """Judges every case whose id begins with `kind`; judge(case, program, folder) gives what is wrong, or nothing. The
    program is the first argument of the script. Returns the exit status of the whole."""
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="imgbuild-hostile-", dir="/var/tmp") as folder:
        generator = os.path.join(HERE, "gen_hostile.py")
        subprocess.run([sys.executable, generator, folder, "--quick", "--only", kind], check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        failed = 0
        for case in cases:
            wrong = judge(case, program, folder)
            if wrong:
                failed += 1
                print(f"{case['id']} ({case.get('why', '')}) {wrong}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not cases else 0
