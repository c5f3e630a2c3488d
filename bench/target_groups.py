# SPDX-License-Identifier: Apache-2.0
"""The groups of measurements that have targets: the seven of the layer store."""

import itertools
import os
import shutil
import subprocess

import many_records
import report
import workloads
from harness import Row, median, peak, print_row

FULL_COPY_FILES = 100_000
FULL_LARGE_FILE = 4 << 30
FULL_COMMIT_FILES = 20_000
FULL_BASE_LAYER = 64 << 20
BASE_LAYERS = 16
DEEP = 500
CHUNK = 4 << 20  # the largest that is compressed by itself
COUNTED_COPY_FILES = 4_000  # what is counted needs no size
COUNTED_COMMIT_FILES = 500


def copy(bench):
    count = max(int(FULL_COPY_FILES * bench.options.scale), 100)
    context = bench.path("wide-copy")
    size = workloads.wide_copy(context, count)
    name = f"copy: {count} files, {size >> 20} MiB, "
    tree = os.path.join(context, "tree")
    zstd = image_of("zstd")

    def cold(compression):
        bench.fresh_store()
        return bench.imgbuild(context, *image_of(compression))

    ours, limit = bench.in_turns(lambda: cold("zstd"), lambda: bench.pipe(tree))
    bench.report(name + "zstd, cold", ours, limit=median(limit))
    bench.figure(report.within(1, name + "zstd, cold", median(ours), median(limit), 1.1))

    ours, limit = bench.in_turns(lambda: bench.imgbuild(context, *zstd), lambda: bench.walk(tree))
    bench.report(name + "zstd, unchanged", ours, limit=median(limit))
    bench.figure(report.within(2, name + "nothing changed", median(ours), median(limit), 2))
    _change(bench, name, context)
    _gzip(bench, name, context, cold)
    shutil.rmtree(context)
    _count_copy(bench)


def _change(bench, name, context):
    """One file changed, one inserted, one removed: what must be done again is one look at each file and one hash over
    each of tar and blob."""
    tree, tar, blob = os.path.join(context, "tree"), bench.path("tree.tar"), bench.path("pipe.zst")
    subprocess.run(["tar", "-cf", tar, "-C", tree, "."], check=True)
    numbers = itertools.count()

    def least():
        return bench.together(bench.walk(tree), bench.hashing(tar, blob))

    def after(change):
        change(context, next(numbers))
        return bench.imgbuild(context, *image_of("zstd"))

    changed, inserted, limit = bench.in_turns(lambda: after(workloads.change_one_file),
                                              lambda: after(workloads.insert_one_file), least)
    os.remove(tar)
    bench.report(name + "zstd, one changed", changed, limit=median(limit))
    bench.report(name + "zstd, one inserted", inserted, limit=median(limit))
    bench.figure(report.within(2, name + "one inserted, beside one changed", median(inserted), median(changed), 1.1))


def _gzip(bench, name, context, cold):
    def pushed(*arguments):
        """The peer compresses only what it writes out."""
        return bench.together(bench.buildah(context, *arguments), bench.buildah_push())

    ours = bench.repeat(lambda: cold("gzip"))
    theirs = bench.peer(lambda: pushed("--no-cache"), 1)
    bench.report(name + "gzip, cold", ours, theirs)
    if theirs:
        bench.figure(report.faster(1, name + "gzip, cold", median(ours), median(theirs), 5, "buildah"))
    if bench.options.report:
        return
    unchanged = bench.repeat(lambda: bench.imgbuild(context))
    bench.report(name + "gzip, unchanged", unchanged, bench.peer(pushed, 1))
    numbers = itertools.count()

    def changed(build):
        workloads.change_one_file(context, f"gzip {next(numbers)}")
        return build()

    bench.report(name + "gzip, one changed", bench.repeat(lambda: changed(lambda: bench.imgbuild(context))),
                 bench.peer(lambda: changed(pushed), 1))


def _count_copy(bench):
    context = bench.path("counted-copy")
    size = workloads.wide_copy(context, COUNTED_COPY_FILES)
    build = bench.command("build", "-q", *image_of("zstd"), context)
    bench.fresh_store()
    bench.volume("COPY, cold, zstd", size,
                 "read and hashed by the scan; read again to be packed, and hashed to see that nobody changed it; tar "
                 "and blob are hashed for their digests, each new chunk for the next build", build)
    bench.settle(context)
    bench.volume("COPY, nothing changed", size, "the index of the context, records", build)
    workloads.change_one_file(context, "counted")
    bench.volume("COPY, one file changed", size,
                 "the earlier blob is read, checked and decompressed for the hash of the tar, and written again", build)
    compressed = bench.volumes[-1].traffic.compressed
    bench.figure(report.at_most(2, "compressed when one file changed, of chunks of at most 4 MiB", compressed / CHUNK, 2,
                                "chunks"))
    shutil.rmtree(context)


def commit(bench):
    """What a RUN that writes many files costs beyond the command itself."""
    if os.geteuid() != 0:
        return
    count = max(int(FULL_COMMIT_FILES * bench.options.scale), 100)
    context = bench.path("commit")
    size = workloads.unpacked_tar(context, count)
    name = f"commit: {count} files, {size >> 20} MiB, "
    bench.fresh_store()
    again = ("--no-cache-filter", "last", "-o", "type=cacheonly")
    bench.imgbuild(context, *again)
    written = os.path.join(bench.bare_root(), "out")
    ours, command, limit = bench.in_turns(lambda: bench.imgbuild(context, *again), lambda: bench.bare_unpack(context),
                                          lambda: bench.hashing_below(written))
    beyond = median(ours) - median(command)
    bench.report(name + "with the command", ours, limit=median(command) + median(limit))
    bench.rows.append(Row(name + "beyond the command", beyond, limit=median(limit)))
    print_row(bench.rows[-1])
    bench.figure(report.within(3, name + "beyond the command", beyond, median(limit), 1.5))
    # With another step behind it packing goes on beside that: the time is that of the steps.
    packing = ("--no-cache-filter", "last", *image_of("zstd"))
    packed = bench.repeat(lambda: bench.imgbuild(context, *packing))
    bench.report(name + "packed", packed)
    pause = max(round(median(packed) - median(ours)), 1)
    workloads.append(context, f"RUN sleep {pause}\n")
    longer = bench.repeat(lambda: bench.imgbuild(context, *packing))
    bench.report(f"{name}a step of {pause} s behind it", longer, limit=median(ours) + pause)
    bench.figure(report.within(3, f"{name}packed beside a step of {pause} s", median(longer), median(ours) + pause, 1.1))
    shutil.rmtree(context)
    _count_commit(bench)


def _count_commit(bench):
    context = bench.path("counted-commit")
    size = workloads.unpacked_tar(context, COUNTED_COMMIT_FILES)
    bench.fresh_store()
    # The step below it then stands, and its context is not read again: what is counted is the RUN alone.
    bench.imgbuild(context, "-o", "type=cacheonly")
    bench.settle(context)
    build = bench.command("build", "-q", "--no-cache-filter", "last", "-o", "type=cacheonly", context)
    bench.volume("RUN, its files kept", size, "hashed where they were written", build)
    bench.fresh_store()
    bench.imgbuild(context, "-o", "type=cacheonly")
    build = bench.command("build", "-q", *image_of("zstd"), context)
    bench.volume("RUN done before, packed, with the COPY below it", 2 * size,
                 "read to be packed, and hashed to see that it was not damaged; the rest as for COPY", build)
    shutil.rmtree(context)


def large(bench):
    for part in (16, 1):
        size = max(int(FULL_LARGE_FILE * bench.options.scale) // part, 1 << 20)
        context = workloads.one_file(bench.path(f"one-file-{part}"), size)
        bench.fresh_store()
        theirs = [] if bench.options.report else bench.peer(lambda: bench.buildah(context, "--no-cache"), 1)
        ours, limit = [bench.imgbuild(context, *image_of("zstd"))], [bench.pipe(context)]
        name = f"large: one file of {size >> 20} MiB, zstd"
        bench.report(name, ours, theirs, median(limit))
        shutil.rmtree(context)
    bench.figure(report.within(4, name, median(ours), median(limit), 1.1))
    bench.figure(report.at_most(4, name + ", peak memory", peak(ours) / (1 << 20), 256, "MiB"))
    busy = ours[0].busy_seconds / ours[0].seconds
    bench.figure(report.at_least(4, name + ", processors busy", busy, round(0.75 * min(os.cpu_count(), 2), 2),
                                 f"of {os.cpu_count()}"))


def deep(bench):
    """An image of as many layers as an overlay file system of the kernel takes."""
    bare = median(bench.repeat(bench.bare_run, 20)) if os.geteuid() == 0 else None
    numbers = itertools.count()
    each = {}
    for depth in (10, DEEP):
        context = workloads.many_runs(bench.path(f"deep-{depth}"), depth)
        bench.fresh_store()
        bench.report(f"deep: {depth} RUN steps", [bench.imgbuild(context)], limit=bare and bare * depth)

        def one_more():
            workloads.append(context, f"RUN echo {next(numbers)} > /more\n")
            return bench.imgbuild(context)

        rebuilt = bench.repeat(lambda: bench.imgbuild(context))
        bench.report(f"deep: rebuild of {depth} steps, cached", rebuilt, limit=median(bench.repeat(bench.empty_program, 20)))
        more = bench.repeat(one_more, 2 * bench.options.runs + 1)
        bench.report(f"deep: one more RUN on {depth} layers", more, limit=bare)
        each[depth] = median(more) - median(rebuilt)
    bench.report(f"deep: history of {DEEP} layers", bench.repeat(lambda: bench.must(*bench.command("history", "bench:1"))),
                 limit=median(bench.repeat(bench.empty_program, 20)))
    figure = report.within(5, f"deep: one more RUN on {DEEP} layers, beside one on 10", each[DEEP], each[10], 1.5)
    bench.figure(figure)


def base(bench):
    """An image from an archive to a root that a RUN can use: verified, unpacked, indexed."""
    size = max(int(FULL_BASE_LAYER * bench.options.scale), 1 << 20)
    archive, layout = _base_archive(bench, "layers", size)
    user = workloads.context(bench.path("user"), "FROM localhost/big:1\nRUN true\n")

    def ours():
        bench.fresh_store()
        return bench.together(bench.must(*bench.command("load", "-i", archive)), bench.imgbuild(user, "-o", "type=cacheonly"))

    def theirs():
        bench.measure(*bench.buildah_command("rmi", "-f", "localhost/big:1"))
        return bench.together(bench.measure(*bench.buildah_command("pull", "-q", f"oci-archive:{archive}")),
                              bench.buildah(user, "--no-cache"))

    name = f"base: {BASE_LAYERS} layers of {size >> 20} MiB, loaded and used"
    samples, limit = bench.in_turns(ours, lambda: bench.unpacking(layout))
    peer = [] if bench.options.report else bench.peer(theirs, 1)
    bench.report(name, samples, peer, median(limit))
    bench.figure(report.within(6, name, median(samples), median(limit), 1.5))
    shutil.rmtree(layout)
    os.remove(archive)
    _count_base(bench, user)


def _base_archive(bench, name, size):
    """An archive of an image of BASE_LAYERS layers, and the same as a layout."""
    context = workloads.many_layers(bench.path(name), BASE_LAYERS, size)
    bench.fresh_store()
    archive, layout = bench.path(name + ".tar"), bench.path(name + "-layout")
    bench.imgbuild(context, "-o", f"type=oci,dest={archive},name=localhost/big:1")
    shutil.rmtree(context)
    subprocess.run(["mkdir", "-p", layout], check=True)
    subprocess.run(["tar", "-xf", archive, "-C", layout], check=True)
    return archive, layout


def _count_base(bench, user):
    size = 2 << 20
    archive, layout = _base_archive(bench, "counted-layers", size)
    bench.fresh_store()
    bench.volume("base image, loaded", BASE_LAYERS * size, "copied into the store, its digests checked (it is compressed)",
                 bench.command("load", "-i", archive))
    bench.volume("base image, read and laid down for a RUN", BASE_LAYERS * size,
                 "decompressed once; digests of blob, tar and files; written where steps find it, and from there where a "
                 "sandbox mounts it", bench.command("build", "-q", "-o", "type=cacheonly", user))
    shutil.rmtree(layout)
    os.remove(archive)


def store(bench):
    """A store with a long past beside a new one: what opening it costs a build that has nothing to do."""
    context = workloads.context(bench.path("nothing"), "FROM scratch\nLABEL a=b\n")
    bench.fresh_store()
    bench.imgbuild(context)

    def looks():
        return bench.repeat(lambda: bench.imgbuild(context, "-o", "type=cacheonly"), 20)

    def names():
        return bench.repeat(lambda: bench.imgbuild(context), 20)

    def new_names():
        numbers = itertools.count()
        return bench.repeat(lambda: bench.must(*bench.command("tag", "bench:1", f"new-{next(numbers)}:1")), 20)

    new, new_named, new_tagged = median(looks()), median(names()), median(new_names())
    nodes = int(2_000_000 * bench.options.scale)
    many_records.fill(bench.path("store"), images=1000, layers=10_000, nodes=nodes)
    opened = looks()
    bench.report("store: a build in one with 1,000 images", opened, limit=new)
    bench.report("store: a build that names an image as it is named", names(), limit=new_named)
    bench.report("store: one more name", new_names(), limit=new_tagged)
    bench.figure(report.at_most(7, f"store: opening one of 1,000 images, 10,000 layers, {nodes:,} nodes, beyond a new one",
                                (median(opened) - new) * 1000, 5, "ms", report.seconds(new)))


def image_of(compression):
    return ("-o", f"type=image,name=bench:1,compression={compression}")
