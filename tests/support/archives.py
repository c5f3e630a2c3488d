# SPDX-License-Identifier: Apache-2.0
"""Tars that cases feed to the program, made entry by entry and not by a tar program."""

import io
import tarfile


def tar_of(tree, mode="w", member=None):
    """The bytes of a tar of {path: text}; `member` may change each entry."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for path, text in tree.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            entry.uid = entry.gid = 1234
            if member:
                member(entry)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()
