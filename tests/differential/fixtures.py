# SPDX-License-Identifier: Apache-2.0
"""What the cases build from: one context that most of them share, and two bases with one root filesystem."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile

from support.case import File, Folder, HardLink, Link
from support.oci import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, REF_NAME, sha256

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIME = 1_700_000_000


def tar(*entries):
    """An archive of (name, what[, mode, uid, gid]); what as in write_tree, a HardLink's path as the archive names it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, what, *owner in entries:
            mode, uid, gid = (*owner, *(None, 0, 0)[len(owner):])
            member = tarfile.TarInfo(name)
            member.mtime, member.uid, member.gid = TIME, uid, gid
            data = b""
            if what is None:
                member.type, member.mode = tarfile.DIRTYPE, mode or 0o755
            elif isinstance(what, Link):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, what.target, 0o777
            elif isinstance(what, HardLink):
                member.type, member.linkname, member.mode = tarfile.LNKTYPE, what.path, mode or 0o644
            else:
                data = what.encode()
                member.size, member.mode = len(data), mode or 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


PLAIN = tar(("t", None, 0o750, 3, 4), ("t/one", "1\n", 0o640, 5, 6), ("t/link", Link("one")),
            ("t/again", HardLink("t/one"), 0o640, 5, 6), ("t/sub/three", "3\n"), ("t/suid", "s\n", 0o4755))

# Modes differ, so that a mode that is lost shows.
CONTEXT = {
    "a": "alpha\n", "b": File(b"beta\n", 0o600), "run": File(b"#!/bin/sh\necho run\n", 0o755),
    "empty-file": "", "x.txt": "x\n", "y.txt": "y\n", "z.md": "z\n", ".dot": "dot\n",
    "with space": "space\n", "[b].odd": "bracket\n", "star*name": "star\n", "q?": "question\n",
    "dir/one": "1\n", "dir/two": File(b"2\n", 0o640), "dir/sub/three": "3\n", "dir/empty": None, "dir/.hidden": "h\n",
    "dir/link": Link("one"), "dir/up": Link("../a"),
    "dir/sublink": Link("sub"), "dir/sub": Folder(0o711), "dir": Folder(0o750),
    "dir2/one": "other one\n", "dir2/sub/four": "4\n", "dir2/five": None,
    "deep/er/est/file": "deep\n", "deep/er/est/file.txt": "deep text\n", "deep/other.txt": "other\n",
    "link": Link("a"), "dirlink": Link("dir"), "chain": Link("link"), "lost": Link("nowhere"),
    "absolute": Link("/dir/one"), "climber": Link("../../../../a"),
    "loose/out": Link("/etc/passwd"), "loose/nowhere": Link("no/where"),
    "hard/one": "hard\n", "hard/two": HardLink("hard/one"), "hard/sub/three": HardLink("hard/one"),
    "vacant": Folder(0o700), "private": Folder(0o700), "private/key": File(b"key\n", 0o400),
    "t.tar": PLAIN, "t.tar.gz": gzip.compress(PLAIN, mtime=0),
    "t.tar.bz2": bz2.compress(PLAIN), "t.tar.xz": lzma.compress(PLAIN),
    "named-gz.tar": gzip.compress(PLAIN, mtime=0), "text.gz": gzip.compress(b"no archive\n", mtime=0),
    "dots.tar": tar(("./", None), ("./d/", None, 0o711), ("./d/f", "f\n")),
    "no-folders.tar": tar(("p/q/f", "f\n", 0o600, 7, 8)),
    "replaced.tar": tar(("f/file", "from the archive\n", 0o604), ("f/dir/file", None, 0o701), ("f/link-to-dir/in", "in\n")),
    "doubled.tar": tar(("f", "first\n"), ("f", "second\n", 0o600)),
    "through.tar": tar(("l", Link("d")), ("d", None), ("l/f", "f\n")),
    "links.tar": tar(("one", "1\n", 0o640, 5, 6), ("two", HardLink("one"), 0o600, 7, 8)),
    "whiteout.tar": tar(("w", None), ("w/.wh.gone", "")), "opaque.tar": tar(("w", None), ("w/.wh..wh..opq", "")),
    "escape.tar": tar(("../escaped", "e\n")), "inner-dots.tar": tar(("d/../e", "e\n")), "rooted.tar": tar(("/r/f", "f\n")),
    "end.tar": bytes(10240),
}

FIXTURES = [
    ("f", None), ("f/file", "old\n", 0o640, 7, 8), ("f/dir", None, 0o750, 5, 6), ("f/dir/file", "old file\n", 0o600, 7, 8),
    ("f/dir/sub", None, 0o701, 9, 9), ("f/dir/sub/deep", "deep\n"), ("f/link-to-dir", Link("dir")),
    ("f/absolute", Link("/f/dir")), ("f/chain", Link("absolute")), ("f/link-to-file", Link("file")),
    ("f/dangling", Link("new/target")), ("f/climber", Link("../../../../f/dir")), ("f/loop", Link("loop")),
    ("f/hard1", "hard\n"), ("f/hard2", HardLink("f/hard1")), ("f/suid", "suid\n", 0o4755), ("f/sticky", None, 0o1777),
    ("f/empty", None, 0o700, 1, 1), ("vol", None),
]
CONFIGURED = {
    "Env": [PATH, "BASE=of the base", "EMPTY=", "LIST=a b"], "Cmd": ["base", "command"], "Entrypoint": ["/bin/echo", "entry"],
    "WorkingDir": "/f/sticky", "User": "33:33", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/vol": {}},
    "Labels": {"from": "base", "kept": "yes"}, "StopSignal": "SIGUSR1", "Shell": ["/bin/sh", "-xc"],
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 7_000_000_000, "Retries": 3},
}
BASES = {
    "base": {"Env": [PATH]},
    "configured": CONFIGURED,
    "triggers": {"Env": [PATH], "OnBuild": ["ENV TRIGGERED=yes", "COPY a /triggered/", "WORKDIR /by-trigger"]},
}


def add_fixtures(busybox, path):
    """Writes the tar of the bases: busybox's, and the fixtures behind it."""
    with tarfile.open(busybox) as source, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as out:
        for member in source:
            out.addfile(member, source.extractfile(member) if member.isfile() else None)
        with tarfile.open(fileobj=io.BytesIO(tar(*FIXTURES))) as more:
            for member in more:
                out.addfile(member, more.extractfile(member) if member.isfile() else None)


def write_bases(layout, busybox):
    """Writes an OCI layout that holds the bases by name."""
    os.makedirs(os.path.join(layout, "blobs", "sha256"))
    add_fixtures(busybox, os.path.join(layout, "layer"))
    with open(os.path.join(layout, "layer"), "rb") as file:
        layer = file.read()
    os.remove(os.path.join(layout, "layer"))

    def blob(kind, data):
        with open(os.path.join(layout, "blobs", "sha256", hashlib.sha256(data).hexdigest()), "wb") as out:
            out.write(data)
        return {"mediaType": kind, "digest": sha256(data), "size": len(data)}

    def document(kind, value):
        return blob(kind, json.dumps(value, sort_keys=True).encode())

    manifests = []
    for name, settings in BASES.items():
        config = document(CONFIG_TYPE, {"architecture": "amd64", "os": "linux", "config": settings,
                                        "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]},
                                        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "a base"}]})
        manifest = document(MANIFEST_TYPE, {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config,
                                            "layers": [blob(LAYER_TYPE, layer)]})
        manifests.append({**manifest, "annotations": {REF_NAME: name}})
    for name, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                        ("index.json", {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests})):
        with open(os.path.join(layout, name), "w", encoding="ascii") as file:
            json.dump(value, file)
