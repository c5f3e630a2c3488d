#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Feeds the hostile layers of gen_hostile.py to the layer reader and compares with what must happen to each.

usage: test_layers.py READER
READER takes a file and exits 0 (taken) or 1 (refused, with a reason). "accept" must be taken, "refuse" refused,
"neutralise" may be either; nothing may crash, hang, or use more memory than its case allows.
exit status: 0 when every case behaved.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ADDRESS_SPACE = 2 << 30  # bytes; generous, because the sanitizers' shadow is not counted here


def judge(case, reader, folder):
    """What is wrong with how `reader` took `case`; empty when nothing is."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    sanitized = "build-sanitize" in reader  # their shadow memory needs the whole address space
    try:
        done = subprocess.run(
            [reader, os.path.join(folder, case["path"])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=case["limits"]["seconds"],
            preexec_fn=None if sanitized else limit,
        )
    except subprocess.TimeoutExpired:
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


def main():
    reader = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="imgbuild-hostile-", dir="/var/tmp") as folder:
        generator = os.path.join(HERE, "gen_hostile.py")
        subprocess.run([sys.executable, generator, folder, "--quick", "--only", "layer/"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        cases = manifest["cases"] if isinstance(manifest, dict) else manifest
        failed = 0
        for case in cases:
            wrong = judge(case, reader, folder)
            if wrong:
                failed += 1
                print(f"{case['id']} ({case['why']}) {wrong}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
