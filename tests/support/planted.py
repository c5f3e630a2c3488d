# SPDX-License-Identifier: Apache-2.0
"""Causes of differences, planted: a context whose image differs in one way for each line of its Buildfile.

What real tools make is made twice, with what people forget to fix, and a RUN takes the one or the other by the name of
the machine, so that two builds on machines of different names always differ. The rest a RUN does by itself."""

import dataclasses
import gzip
import io
import json
import os
import py_compile
import struct
import subprocess
import tarfile
import zipfile
import zlib

from support.case import need_tool

FIRST = "buildkitsandbox"  # the name of every machine unless somebody gives another
TIMES = (1_700_000_000, 1_700_003_601)


@dataclasses.dataclass
class Cause:
    """One line of the Buildfile and what it leads to."""

    kind: str
    path: str
    command: str  # writes to $f, which is the path
    make: object = None  # (index) -> bytes of the two versions, where the command takes one


def gzipped(index, name=""):
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", mtime=0 if name else TIMES[index], fileobj=out) as file:
        file.write(b"the same content")
    return out.getvalue()


def zipped(names, when):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, f"content of {name} " * 9)
    return out.getvalue()


def tarred(names, time=0, user=0, content=b"data"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(content), time, user
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def archived(time):
    """A static library with one member, as `ar U` makes it."""
    data = b"object file\n"
    return b"!<arch>\n" + f"{'a.o/':<16}{time:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data


def compiled_python(time, folder):
    source = os.path.join(folder, "module.py")
    with open(source, "w", encoding="utf-8") as file:
        file.write("VALUE = 1\n")
    os.utime(source, (time, time))
    target = source + "c"
    py_compile.compile(source, target, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    with open(target, "rb") as file:
        return file.read()


def linked(folder, *flags):
    """A small program, made by the C compiler in a folder."""
    source = os.path.join(folder, "main.c")
    os.makedirs(folder, exist_ok=True)
    with open(source, "w", encoding="ascii") as file:
        file.write("int main(void) { return 0; }\n")
    target = os.path.join(folder, "main")
    subprocess.run(["gcc", "-O1", *flags, "-o", target, source], check=True, cwd=folder)
    with open(target, "rb") as file:
        return file.read()


def png(second):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) +
            chunk(b"tIME", struct.pack(">HBBBBB", 2026, 11, 30, 6, 29, second)) +
            chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""))


def pdf(date, number):
    return (f"%PDF-1.4\n1 0 obj\n<< /CreationDate (D:{date}) >>\nendobj\ntrailer\n<< /Info 1 0 R /ID [<{number}> <{number}>] >>\n"
            "%%EOF\n").encode()


def causes(folder):
    """All of them. `folder` is for what tools write on the way."""
    need_tool("gcc")

    def in_place(index):
        return os.path.join(folder, ("one", "another")[index])

    return [
        Cause("time", "/planted/time", "date > $f"),
        Cause("random", "/planted/random", "cat /proc/sys/kernel/random/uuid > $f"),
        Cause("host-name", "/planted/host-name", "echo made on $(hostname) > $f"),
        Cause("processors", "/planted/processors", "echo jobs=$(nproc) > $f"),
        Cause("number", "/planted/number", "", lambda i: b"pid %d\n" % (31 + i * 7)),
        Cause("order", "/planted/order", "", lambda i: b"a\nb\nc\n" if i else b"b\na\nc\n"),
        Cause("word-order", "/planted/word-order", "", lambda i: b"h = {a, b}\n" if i else b"h = {b, a}\n"),
        Cause("path", "/planted/path", "", lambda i: b"built in /build/" + (b"one" if i else b"another") + b"/src\n"),
        Cause("mode", "/planted/mode", 'echo x > $f; if [ "$(hostname)" = %s ]; then chmod 600 $f; fi' % FIRST),
        Cause("owner", "/planted/owner", 'echo x > $f; if [ "$(hostname)" = %s ]; then chown 7:7 $f; fi' % FIRST),
        Cause("link-target", "/planted/link", "ln -s $(hostname) $f"),
        Cause("presence", "/planted/presence", 'if [ "$(hostname)" = %s ]; then echo x > $f; fi' % FIRST),
        Cause("type", "/planted/type", 'if [ "$(hostname)" = %s ]; then echo x > $f; else mkdir $f; fi' % FIRST),
        Cause("size", "/planted/size", "", lambda i: b"line\n" * (2 + i)),
        Cause("content", "/planted/content", "", lambda i: b"one word\n" if i else b"another thing\n"),
        Cause("gzip-time", "/planted/time.gz", "", gzipped),
        Cause("gzip-name", "/planted/name.gz", "", lambda i: gzipped(i, f"file{i}")),
        Cause("zip-time", "/planted/time.zip", "", lambda i: zipped(["a"], (2026, 11, 30, 6, 29, 2 * i))),
        Cause("zip-order", "/planted/order.zip", "",
              lambda i: zipped(["a", "b"] if i else ["b", "a"], (1980, 1, 1, 0, 0, 0))),
        Cause("tar-time", "/planted/time.tar", "", lambda i: tarred(["a"], TIMES[i])),
        Cause("tar-order", "/planted/order.tar.gz", "",
              lambda i: gzip.compress(tarred(["a", "b"] if i else ["b", "a"]), mtime=0)),
        Cause("tar-owner", "/planted/owner.tar", "", lambda i: tarred(["a"], 0, 1000 + i)),
        Cause("ar-time", "/planted/time.a", "", lambda i: archived(TIMES[i])),
        Cause("pyc-time", "/planted/module.pyc", "", lambda i: compiled_python(TIMES[i], folder)),
        Cause("elf-build-id", "/planted/build-id", "",
              lambda i: linked(in_place(0), "-Wl,--build-id=0x" + ("ab" if i else "cd") * 20)),
        Cause("elf-debug", "/planted/debug", "", lambda i: linked(in_place(i), "-g", "-Wl,--build-id=none")),
        Cause("json-order", "/planted/order.json", "",
              lambda i: json.dumps({"a": 1, "b": 2} if i else {"b": 2, "a": 1}).encode()),
        Cause("json-value", "/planted/value.json", "", lambda i: json.dumps({"a": {"b": ["x", "yz"[i]]}}).encode()),
        Cause("png-time", "/planted/time.png", "", png),
        Cause("pdf-date", "/planted/date.pdf", "", lambda i: pdf(f"2026113006290{i}Z", "00" * 16)),
        Cause("log", "/var/log/dpkg.log", "echo $(date) status installed a > $f"),
        Cause("machine-id", "/etc/machine-id", "tr -d - < /proc/sys/kernel/random/uuid > $f"),
        Cause("shadow-day", "/etc/shadow", "", lambda i: b"root:*:%d:0:99999:7:::\n" % (20422 + i)),
        Cause("linker-cache", "/var/cache/ldconfig/aux-cache", "", lambda i: b"glibc-ld.so.cache1.1\0\0\0" + bytes([i])),
        Cause("font-cache", "/var/cache/fontconfig/0-le64.cache-8", "", lambda i: b"\4\0\0\0" + bytes([i] * 12)),
    ]


def plant(case):
    """Writes the context of all causes and gives it with {path: (kind, line of the Buildfile)}."""
    folder = case.make_folder("planting")
    lines = ["FROM busybox", "COPY versions /versions"]
    expected = {}
    tree = {}
    for number, cause in enumerate(causes(folder)):
        command = cause.command
        if cause.make:
            for index in range(2):
                tree[f"versions/{index}/{number}"] = cause.make(index)
            command = f'n=1; if [ "$(hostname)" = {FIRST} ]; then n=0; fi; cat /versions/$n/{number} > $f'
        lines.append(f"RUN f={cause.path}; mkdir -p $(dirname $f); {command}")
        expected[cause.path] = (cause.kind, len(lines))
    tree["Buildfile"] = "\n".join(lines) + "\n"
    return case.context(tree), expected
