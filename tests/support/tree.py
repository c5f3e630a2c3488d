# SPDX-License-Identifier: Apache-2.0
"""File trees as {path: Node}: of an image (its layers applied in order), of a tar, and of a directory."""

import dataclasses
import hashlib
import os
import stat
import tarfile

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
KINDS = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "character",
         tarfile.BLKTYPE: "block", tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file"}


@dataclasses.dataclass(frozen=True)
class Node:
    """What stands at one path; time is left out of comparisons."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    content: str = ""
    target: str = ""
    device: tuple = (0, 0)
    xattrs: tuple = ()
    mtime: float = dataclasses.field(default=0, compare=False)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def node_of_member(archive, member):
    kind = KINDS[member.type]
    data = archive.extractfile(member).read() if kind == "file" else b""
    is_device = kind in ("character", "block")
    prefix = "SCHILY.xattr."
    return Node(
        kind=kind,
        mode=0o777 if kind == "symlink" else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=len(data),
        content=digest(data) if kind == "file" else "",
        target=member.linkname if kind == "symlink" else "",
        device=(member.devmajor, member.devminor) if is_device else (0, 0),
        xattrs=tuple(sorted((name[len(prefix):], value) for name, value in member.pax_headers.items()
                            if name.startswith(prefix))),
        mtime=member.mtime,
    )


def remove(tree, path, below_only=False):
    for name in [name for name in tree if name.startswith(path + "/") or (name == path and not below_only)]:
        del tree[name]


def apply_layer(tree, archive):
    """Changes a tree by one layer, as the image specification says: what a layer hides it hides in those below it."""
    below = dict(tree)
    members = list(archive)
    for member in members:
        folder, name = os.path.split(clean(member.name))
        if name == OPAQUE:
            remove(tree, folder, below_only=True)
        elif name.startswith(WHITEOUT):
            remove(tree, join(folder, name[len(WHITEOUT):]))
    for member in members:
        path = clean(member.name)
        if os.path.basename(path).startswith(WHITEOUT) or path == "":
            continue
        node = tree[clean(member.linkname)] if member.islnk() else node_of_member(archive, member)
        if node.kind != "directory" and below.get(path, node).kind == "directory":
            remove(tree, path)
        tree[path] = node


def clean(name):
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def join(folder, name):
    return f"{folder}/{name}" if folder else name


def tree_of_image(image):
    """The file tree of a support.oci.Image."""
    tree = {}
    for archive in image.layers():
        apply_layer(tree, archive)
    return tree


def link_groups(tree):
    """The sets of paths of an image's tree that are one file each."""
    names = {}
    for path, node in tree.items():
        names.setdefault(id(node), []).append(path)
    return {frozenset(paths) for paths in names.values() if len(paths) > 1}


def tree_of_tar(path):
    tree = {}
    with tarfile.open(path) as archive:
        apply_layer(tree, archive)
    return tree


def tree_of_folder(root):
    """The file tree below a directory, as lstat sees it."""
    tree = {}
    for folder, subfolders, files in os.walk(root):
        for name in subfolders + files:
            full = os.path.join(folder, name)
            status = os.lstat(full)
            tree[os.path.relpath(full, root)] = node_of_status(full, status)
    return tree


def node_of_status(path, status):
    kind = {stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo", stat.S_IFCHR: "character",
            stat.S_IFBLK: "block", stat.S_IFREG: "file"}[stat.S_IFMT(status.st_mode)]
    data = b""
    if kind == "file":
        with open(path, "rb") as file:
            data = file.read()
    is_device = kind in ("character", "block")
    return Node(
        kind=kind,
        mode=0o777 if kind == "symlink" else stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=len(data),
        content=digest(data) if kind == "file" else "",
        target=os.readlink(path) if kind == "symlink" else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        mtime=status.st_mtime,
    )


def describe(node):
    return "nothing" if node is None else (f"{node.kind} {node.mode:04o} {node.uid}:{node.gid} {node.size} "
                                           f"{node.content[:12]}{node.target} {node.xattrs or ''}".strip())


def differences(ours, theirs):
    """One line for each path at which two trees differ."""
    return [f"/{path}: {describe(ours.get(path))}, theirs {describe(theirs.get(path))}"
            for path in sorted(set(ours) | set(theirs)) if ours.get(path) != theirs.get(path)]
