#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints an image of the local store: its digest, its layers, and the command to run it.

usage: describe_image.py IMGBUILD NAME
"""

import json
import subprocess
import sys


def ask(program, *arguments):
    return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    program, name = sys.argv[1:]
    image = json.loads(ask(program, "inspect", name))
    manifest = json.loads(ask(program, "manifest", name))
    print(f"\n{name}\n  digest  {image['digest']}")
    for layer in manifest["layers"]:
        print(f"  layer   {layer['digest']}  {layer['size']:>9,} bytes")
    print(f"Run it:\n  {program} save {name} | podman load && podman run --rm {name}")


if __name__ == "__main__":
    main()
