# SPDX-License-Identifier: Apache-2.0
"""What an image holds that was built from a hostile input: for each case that says so in words ("result"), the same as
a question to the image's files, {path: support.tree.Node}."""

from support.tree import digest


def files(tree):
    return sorted(path for path, node in tree.items() if node.kind == "file")


def holds(path, data):
    return lambda tree: path in tree and tree[path].kind == "file" and tree[path].content == digest(data)


def only(*paths):
    return lambda tree: files(tree) == sorted(paths)


def both(first, second):
    return lambda tree: first(tree) and second(tree)


def without(path):
    return lambda tree: path not in tree


RESULTS = {
    "layer/ok-plain": lambda tree: tree["etc/hello"].kind == "file" and tree["etc/hello"].size == 6,
    "layer/ok-dot-slash-names": only("a/f"),
    "layer/ok-uid-over-2-21": lambda tree: (tree["f"].uid, tree["f"].gid) == (2**21 + 5, 2**22),
    "layer/ok-mtime-ns-and-negative": lambda tree: abs(tree["f"].mtime - 1_700_000_000.123456789) < 1e-6
                                      and tree["old"].mtime == -5.5,
    "layer/ok-nfc-nfd-and-case": lambda tree: len(files(tree)) == 4,
    "layer/ok-setuid-and-sticky": lambda tree: (tree["su"].mode, tree["tmp"].mode, tree["sg"].mode) == (0o4755, 0o1777, 0o2755),
    "layer/ok-file-capability": lambda tree: [name for name, _ in tree["ping"].xattrs] == ["security.capability"],
    "layer/dotdot-backslash": only("..\\..\\evil"),
    "layer/symlink-then-file-same-name": lambda tree: tree["f"].kind == "file",
    "layer/wh-same-layer-before": lambda tree: "f" in tree,
    "layer/wh-same-layer-after": lambda tree: "f" in tree,
    "layer/wh-opq-after-siblings": lambda tree: "a/f" in tree,
    "layer/pax-size-vs-ustar-zero": lambda tree: files(tree) == ["outer"] and tree["outer"].size == 1024,
    "layer/pax-size-zero-vs-ustar": lambda tree: tree["outer"].size == 0 and "smuggled" in tree,
    "layer/pax-hdrcharset-binary": only("bin-\udcff\udcfe"),
    "layer/sparse-old-ok": holds("s", bytes(1024) + b"A" * 512),
    "layer/zeros-1024": lambda tree: not tree,
    "layer/trailing-garbage-after-eof": holds("etc/hello", b"hello\n"),
    "layer/hidden-archive-after-eof": both(holds("etc/hello", b"hello\n"), without("hidden")),
    "layer/concatenated-tars-no-eof": both(holds("etc/hello", b"hello\n"), lambda tree: "b" in tree),
    "layer/dup-file-last-wins": holds("f", b"three"),
    "layer/dup-across-spellings": both(holds("f", b"four"), only("f")),
    "layer/dir-over-file": lambda tree: tree["x"].kind == "directory" and "x/c" in tree,
    "layer/names-control-bytes": lambda tree: len(files(tree)) == 18,
    "layer/uname-weird": lambda tree: (tree["f"].uid, tree["f"].gid) == (7, 8),
    "layer/gz-concatenated-members": holds("etc/hello", b"hello\n"),
    "layer/gz-second-member-hidden": both(holds("etc/hello", b"hello\n"), without("hidden")),
    "layer-stack/legit-usrmerge": lambda tree: "usr/lib/libx.so" in tree and tree["lib"].kind == "symlink",
    "layer-stack/hardlink-to-lower-then-chmod": lambda tree: tree["f"].content == tree["g"].content == digest(b"lower"),
    "layer-stack/replace-file-keeps-lower": holds("f", b"upper"),
    "layer-stack/wh-then-recreate-dir": only("d/b"),
    "layer-stack/opq-only-lower": only("d/b"),
    "layer-stack/wh-dir-with-children-in-lower": lambda tree: list(tree) == ["d"],
    "layer-stack/130-layers": only(*(f"f{i}" for i in range(130))),
    "context/ok-plain": lambda tree: {"a", "d/b"} <= tree.keys(),
    "context/symlink-out-abs": lambda tree: tree["leak"].kind == "symlink",
    "context/odd-names": lambda tree: len(files(tree)) == 14,
    "context/hardlinks": lambda tree: tree["a"].content == tree["b"].content == tree["c"].content,
    "context/ignore-excludes-buildfile": without("Buildfile"),
    "context/add-mtree-as-archive": lambda tree: tree["d/x.mtree"].kind == "file",
}
