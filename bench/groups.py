# SPDX-License-Identifier: Apache-2.0
"""What is measured: one function a group, named as on the command line in ALL."""

import itertools
import os
import shutil
import subprocess

import many_cached
import many_records
import workloads
from harness import Row, median, print_row

FULL_COPY_FILES = 100_000
FULL_LARGE_FILE = 4 << 30
FULL_COMMIT_FILES = 20_000
FULL_BASE_LAYER = 64 << 20
BASE_LAYERS = 16
DEEP = 500


def start(bench):
    ours = bench.repeat(lambda: bench.must(bench.program, "--version"), 100)
    bench.report("start: --version", ours, limit=bench.empty_program())


def parse(bench):
    """Reading, planning and checking a long file; nothing is built."""
    context = workloads.long_buildfile(bench.path("long-file"), 10_000)
    bench.fresh_store()
    ours = bench.repeat(lambda: bench.must(*bench.command("build", "--check", context)), 20)
    bench.report("parse: 10,000 lines, checked", ours, limit=bench.empty_program())


def cached(bench):
    context = workloads.ten_steps(bench.path("ten-steps"))
    bench.fresh_store()
    bench.imgbuild(context)
    if not bench.options.no_peer:
        bench.buildah(context)
    bench.report("cached: rebuild of ten steps", bench.repeat(lambda: bench.imgbuild(context), 20),
                 bench.peer(lambda: bench.buildah(context)), bench.empty_program())


def runs(bench):
    bare = bench.bare_run()
    seconds = {}
    for count in (1, 50, 200):
        context = workloads.many_runs(bench.path(f"runs-{count}"), count)
        bench.fresh_store()
        ours = bench.repeat(lambda: bench.imgbuild(context, "--no-cache"))
        theirs = bench.peer(lambda: bench.buildah(context, "--no-cache"), 1 if count > 1 else None)
        bench.report(f"runs: {count} RUN steps", ours, theirs, bare and bare * count)
        seconds[count] = median(ours)
    for low, high in ((1, 50), (50, 200)):
        each = (seconds[high] - seconds[low]) / (high - low)
        bench.rows.append(Row(f"runs: one more step between {low} and {high}", each, limit=bare))
        print_row(bench.rows[-1])


def deep(bench):
    """An image of as many layers as an overlay file system of the kernel takes."""
    context = workloads.many_runs(bench.path("deep"), DEEP)
    bench.fresh_store()
    bench.report(f"deep: {DEEP} RUN steps", [bench.imgbuild(context)], limit=(bench.bare_run() or 0) * DEEP or None)
    bench.report(f"deep: rebuild of {DEEP} steps, cached", bench.repeat(lambda: bench.imgbuild(context)),
                 limit=bench.empty_program())
    numbers = itertools.count()

    def one_more():
        workloads.append(context, f"RUN echo {next(numbers)} > /more\n")
        return bench.imgbuild(context)

    bench.report(f"deep: one more RUN on {DEEP} layers", bench.repeat(one_more), limit=bench.bare_run())
    bench.report(f"deep: history of {DEEP} layers", bench.repeat(lambda: bench.must(*bench.command("history", "bench:1"))),
                 limit=bench.empty_program())


def copy(bench):
    count = max(int(FULL_COPY_FILES * bench.options.scale), 100)
    context = bench.path("wide-copy")
    size = workloads.wide_copy(context, count)
    name = f"copy: {count} files, {size >> 20} MiB, "
    tree = os.path.join(context, "tree")

    def cold(compression):
        bench.fresh_store()
        return bench.imgbuild(context, *image_of(compression))

    bench.report(name + "zstd, cold", bench.repeat(lambda: cold("zstd")), limit=bench.pipe(tree))
    bench.report(name + "zstd, unchanged", bench.repeat(lambda: bench.imgbuild(context, *image_of("zstd"))),
                 limit=bench.walk(tree))
    numbers = itertools.count()

    def changed(build):
        workloads.change_one_file(context, f"edited {next(numbers)}\n")
        return build()

    # What must be done again is one look at each file and one hash over each of tar and blob.
    tar, blob = bench.path("tree.tar"), bench.path("pipe.zst")
    subprocess.run(["tar", "-cf", tar, "-C", tree, "."], check=True)
    least = bench.walk(tree) + bench.shell(f"cat {tar} {blob} | openssl dgst -sha256")
    os.remove(tar)
    bench.report(name + "zstd, one changed", bench.repeat(lambda: changed(lambda: bench.imgbuild(context, *image_of("zstd")))),
                 limit=least)

    def pushed(*arguments):
        """The peer compresses only what it writes out."""
        return bench.together(bench.buildah(context, *arguments), bench.buildah_push())

    gzip = bench.repeat(lambda: cold("gzip"))
    bench.report(name + "gzip, cold", gzip, bench.peer(lambda: pushed("--no-cache"), 1))
    bench.report(name + "gzip, unchanged", bench.repeat(lambda: bench.imgbuild(context)), bench.peer(pushed, 1),
                 bench.walk(tree))
    bench.report(name + "gzip, one changed", bench.repeat(lambda: changed(lambda: bench.imgbuild(context))),
                 bench.peer(lambda: changed(pushed), 1), least)
    shutil.rmtree(context)


def commit(bench):
    """What a RUN that writes many files costs beyond the command itself."""
    count = max(int(FULL_COMMIT_FILES * bench.options.scale), 100)
    context = bench.path("commit")
    size = workloads.unpacked_tar(context, count)
    name = f"commit: {count} files, {size >> 20} MiB, "
    bench.fresh_store()
    again = ("--no-cache-filter", "last", "-o", "type=cacheonly")
    bench.imgbuild(context, *again)
    if os.geteuid() != 0:
        return
    command = bench.repeat(lambda: bench.bare_unpack(context))
    least = bench.hashing(bench.path("root", "out"))
    ours = bench.repeat(lambda: bench.imgbuild(context, *again))
    bench.report(name + "with the command", ours, limit=median(command) + least)
    bench.rows.append(Row(name + "beyond the command", median(ours) - median(command), limit=least))
    print_row(bench.rows[-1])
    packed = bench.repeat(lambda: bench.imgbuild(context, "--no-cache-filter", "last", *image_of("zstd")))
    bench.report(name + "packed", packed, limit=median(command) + bench.pipe(bench.path("root", "out")))
    # With another step behind it packing goes on beside that: the time is that of the steps.
    pause = max(round(median(packed) - median(ours)), 1)
    workloads.append(context, f"RUN sleep {pause}\n")
    bench.report(f"{name}a step of {pause} s behind it",
                 bench.repeat(lambda: bench.imgbuild(context, "--no-cache-filter", "last", *image_of("zstd"))),
                 limit=median(ours) + pause)
    shutil.rmtree(context)


def large(bench):
    for part in (16, 1):
        size = max(int(FULL_LARGE_FILE * bench.options.scale) // part, 1 << 20)
        context = workloads.one_file(bench.path(f"one-file-{part}"), size)
        bench.fresh_store()
        theirs = bench.peer(lambda: bench.buildah(context, "--no-cache"), 1)
        bench.report(f"large: one file of {size >> 20} MiB, zstd", [bench.imgbuild(context, *image_of("zstd"))], theirs,
                     bench.pipe(context))
        shutil.rmtree(context)


def base(bench):
    """An image from an archive to a root that a RUN can use: verified, unpacked, indexed."""
    size = max(int(FULL_BASE_LAYER * bench.options.scale), 1 << 20)
    context = workloads.many_layers(bench.path("layers"), BASE_LAYERS, size)
    bench.fresh_store()
    archive, layout = bench.path("base.tar"), bench.path("base")
    bench.imgbuild(context, "-o", f"type=oci,dest={archive},name=localhost/big:1")
    subprocess.run(["mkdir", "-p", layout], check=True)
    subprocess.run(["tar", "-xf", archive, "-C", layout], check=True)
    user = workloads.context(bench.path("user"), "FROM localhost/big:1\nRUN true\n")

    def ours():
        bench.fresh_store()
        return bench.together(bench.must(*bench.command("load", "-i", archive)), bench.imgbuild(user, "-o", "type=cacheonly"))

    def theirs():
        bench.measure(*bench.buildah_command("rmi", "-f", "localhost/big:1"))
        return bench.together(bench.measure(*bench.buildah_command("pull", "-q", f"oci-archive:{archive}")),
                              bench.buildah(user, "--no-cache"))

    bench.report(f"base: {BASE_LAYERS} layers of {size >> 20} MiB, loaded and used", bench.repeat(ours),
                 bench.peer(theirs, 1), bench.unpacking(layout))
    shutil.rmtree(layout)


def store(bench):
    """A store with a long past beside a new one: what opening it costs a build that has nothing to do."""
    context = workloads.context(bench.path("nothing"), "FROM scratch\nLABEL a=b\n")
    bench.fresh_store()
    bench.imgbuild(context)

    def looks():
        return bench.repeat(lambda: bench.imgbuild(context, "-o", "type=cacheonly"), 20)

    def names():
        return bench.repeat(lambda: bench.imgbuild(context), 20)

    new, new_named = median(looks()), median(names())
    many_records.fill(bench.path("store"), images=1000, layers=10_000, nodes=int(2_000_000 * bench.options.scale))
    bench.report("store: a build in one with 1,000 images", looks(), limit=new)
    bench.report("store: a build that names one more", names(), limit=new_named)


def imported(bench):
    """What a cache of 10,000 records costs a build that finds nothing there."""
    context = workloads.context(bench.path("import"), "FROM scratch\nWORKDIR /new\n")
    cache = bench.path("cache-of-many")
    many_cached.write(cache, 10_000)

    def build(*arguments):
        bench.fresh_store()
        return bench.repeat(lambda: bench.imgbuild(context, "-o", "type=cacheonly", *arguments), 1)[0]

    without = median([build() for _ in range(5)])
    bench.report("imported: a cache of 10,000 records",
                 [build(f"--cache-from=type=local,src={cache}") for _ in range(5)], limit=without)


def image_of(compression):
    return ("-o", f"type=image,name=bench:1,compression={compression}")


ALL = {group.__name__: group for group in (start, parse, cached, runs, deep, copy, commit, large, base, store, imported)}
