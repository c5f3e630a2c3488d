# SPDX-License-Identifier: Apache-2.0
"""Caches outside the store: what goes out, what comes back, and what is believed of it."""

import hashlib
import json
import os
import shutil

from support.caches import BUILDFILE, Exchange, aged, zstd
from support.case import need_tool


class Caches(Exchange):
    def test_a_fresh_store_finds_everything_and_gives_the_same_image(self):
        for mode in "min", "max":
            with self.subTest(mode):
                first = self.digest(self.to(mode=mode, reset="true"))
                self.forget()
                self.assertEqual(self.digest(self.source(), "--require-cached"), first)
                self.assert_store_is_sound()
                self.forget()

    def test_what_was_verified_belongs_to_the_store(self):
        self.change("Buildfile", "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nCOPY source /\n")
        first = self.digest(self.to())
        self.forget()
        self.build("-o", "type=cacheonly", "--require-cached", self.source(), self.files)
        self.build("-o", "type=cacheonly", "--require-cached", self.files, status=5)
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)
        self.assertEqual(self.digest("--require-cached"), first)

    def test_a_hit_needs_no_layer(self):
        self.build(self.to(mode="max"), self.files)
        for layer in self.layers():
            os.remove(self.blob(layer))
        self.forget()
        result = self.build(self.source(), "--require-cached", "-o", "type=cacheonly", self.files)
        self.assertNotIn("warning", result.stderr)
        self.assertEqual(self.stored_layers(), [])

    def stored_layers(self):
        """Of the steps: what stands in the store and in a cache of all layers."""
        return [layer for layer in self.layers()
                if os.path.exists(os.path.join(self.store, "blobs", "sha256", layer.removeprefix("sha256:")))]

    def test_mode_min_has_the_layers_of_the_image_and_records_of_all_steps(self):
        self.build(self.to(mode="min"), self.files)
        few = self.layers()
        self.build(self.to(mode="max"), self.files)
        self.assertEqual(len(few), 3)
        self.assertEqual(len(self.layers()), 5)

    def test_a_changed_step_runs_on_what_the_cache_has(self):
        first = self.digest(self.to(mode="max"))
        self.forget()
        self.change("Buildfile", BUILDFILE.replace("> /last", "> /end"))
        result = self.build(self.source(), self.files)
        self.assertEqual(result.cached_steps, 5, result.stderr)  # the base, and all steps but the last
        self.change("Buildfile", BUILDFILE)
        self.assertEqual(self.digest("--require-cached", self.source()), first)

    def test_a_step_whose_bytes_are_in_no_cache_runs_where_they_are_needed(self):
        self.build(self.to(mode="min"), self.files)
        self.forget()
        self.change("Buildfile", BUILDFILE.replace("COPY --from=tool", "RUN true\nCOPY --from=tool").replace(
            "/src/source > /tool", "/src/source > /tool\nRUN cp /tool /tool2"))
        self.build(self.source(), self.files)
        self.assert_store_is_sound()

    def test_a_failed_build_leaves_what_it_finished(self):
        self.assert_a_failed_build_leaves_what_it_finished()

    def test_what_no_build_uses_is_dropped(self):
        need_tool("zstd")
        self.build(self.to(mode="max"), self.files)
        self.replace_blob("cache.steps", zstd("-3", aged(self.read_blob("cache.steps"))))
        before = set(os.listdir(os.path.join(self.cache, "blobs", "sha256")))
        self.change("source", "2\n")
        self.build(self.to(mode="max"), self.files)
        named = {blob["digest"] for blob in [*self.manifest()["layers"], self.manifest()["config"]]}
        there = set(os.listdir(os.path.join(self.cache, "blobs", "sha256")))
        self.assertEqual(len(there), len(named) + 1)  # and the manifest
        self.assertEqual(len(self.layers()), 5)
        self.assertTrue(before - there)

    def test_several_builders_write_at_once_and_nothing_is_lost(self):
        folders = [self.context({"Buildfile": BUILDFILE.replace("> /last", f"> /last{number}"), "source": "1\n"},
                                f"context{number}") for number in range(4)]
        # What all of them did came out differently; in the second round all stand on one of these results.
        for number in range(2):
            self.run_all(folders, f"round{number}")
        for folder in folders:
            self.imgbuild("build", "-q", "--require-cached", self.source(), folder)

    def run_all(self, folders, name):
        processes = [self.start("build", "-q", self.source(), self.to(mode="max"), folder,
                                env={"IMGBUILD_STORE": self.path(f"{name}-{number}")})
                     for number, folder in enumerate(folders)]
        for process in processes:
            self.finish(process)

    def test_what_is_wrong_with_a_cache_is_told_and_the_build_goes_on(self):
        self.assertIn("nothing stands there yet", self.build(self.source(), self.files).stderr)
        self.change("Buildfile", "FROM busybox\nRUN true\n")
        with open(self.path("file"), "w", encoding="ascii"):
            pass
        result = self.build(f"--cache-to=type=local,dest={self.path('file')}/x", self.files)
        self.assertIn("warning: the cache is not exported", result.stderr)
        self.build(f"--cache-to=type=local,dest={self.path('file')}/x,ignore-error=false", self.files, status=2)
        self.assertIn("imgbuild keeps no cache there", self.build("--cache-to=type=s3,bucket=b", self.files).stderr)

    def test_a_directory_of_something_else_is_left_alone(self):
        os.makedirs(self.cache)
        with open(os.path.join(self.cache, "precious"), "w", encoding="ascii"):
            pass
        self.assertIn("holds something else", self.build(self.to(), self.files).stderr)
        self.assertEqual(os.listdir(self.cache), ["precious"])


class Conformance(Exchange):
    """What BuildKit's tests of cache import and export ask for."""

    TANGLED = """
FROM busybox AS a
RUN cat /proc/sys/kernel/random/uuid > /a
FROM busybox AS b
COPY --from=a /a /b
RUN cat /b /proc/sys/kernel/random/uuid > /c
FROM a AS c
COPY --from=b /c /c
COPY --from=a /a /a2
RUN --mount=from=b,target=/mnt cat /mnt/c /c > /d
FROM b
COPY --from=c /d /d
COPY --from=b /c /e
"""

    def test_the_cache_of_a_tangled_graph_comes_back(self):
        self.change("Buildfile", self.TANGLED)
        first = self.digest(self.to(mode="max"))
        for _ in range(2):
            self.forget()
            self.assertEqual(self.digest(self.source(), self.to(mode="max"), "--require-cached"), first)

    def test_the_cache_of_two_platforms_comes_back(self):
        self.change("Buildfile", "FROM scratch\nARG TARGETARCH\nCOPY source /$TARGETARCH\n"
                                 "FROM --platform=$BUILDPLATFORM busybox AS tool\nARG TARGETARCH\n"
                                 "RUN cat /proc/sys/kernel/random/uuid > /$TARGETARCH\n"
                                 "FROM scratch\nARG TARGETARCH\nCOPY --from=tool /$TARGETARCH /\n")
        platforms = "--platform=linux/amd64,linux/arm64"
        first = self.digest(platforms, self.to(mode="max"))
        self.forget()
        self.assertEqual(self.digest(platforms, self.source(), "--require-cached"), first)

    def test_the_digest_outlives_pruning_and_an_import(self):
        first = self.digest(self.to(mode="max"))
        self.imgbuild("prune", "--all")
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)


class Inline(Exchange):
    """Records in the config of the image itself."""

    def test_an_image_brings_its_own_steps_back_and_no_others(self):
        self.cache = self.export("image", "--cache-to=type=inline", self.files)
        self.forget()
        result = self.build(self.source(), self.files)
        self.assertRegex(result.stderr, r"\[base 2/2\] RUN[^\n]*\n#\d+ CACHED")
        self.assertNotRegex(result.stderr, r"\[tool 2/2\] RUN[^\n]*\n#\d+ CACHED")

    def test_an_image_of_one_stage_comes_back_whole(self):
        self.change("Buildfile", "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nCOPY source /\n")
        first = self.export("image", "--build-arg=BUILDKIT_INLINE_CACHE=1", self.files)
        self.cache = first
        self.forget()
        again = self.export("again", "--require-cached", "--cache-to=type=inline", self.source(), self.files)
        self.assertEqual(self.index(first), self.index(again))

    def index(self, layout):
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_an_image_without_records_is_no_cache(self):
        self.cache = self.export("image", self.files)
        self.forget()
        self.assertIn("the image holds no cache", self.build(self.source(), self.files).stderr)


class Poisoned(Exchange):
    """Caches that say what is not so."""

    SIMPLE = "FROM busybox\nRUN echo right > /right\nCOPY source /\nRUN cat /right /source > /both\n"

    def setUp(self):
        super().setUp()
        self.change("Buildfile", self.SIMPLE)
        self.right = self.digest(self.to(mode="max"))
        self.forget()

    def assert_goes_on(self, *said):
        """The same image as without the cache, a word about what was wrong, and a store that knows nothing wrong."""
        result = self.build(self.source(), self.files)
        for text in said:
            self.assertIn(text, result.stderr)
        self.assertEqual(self.digest("--require-cached"), self.right)
        self.assert_store_is_sound()

    def test_other_bytes_than_a_digest_says(self):
        digest = self.records()["digest"]
        with open(self.blob(digest), "r+b") as file:
            file.write(b"damaged")
        self.assert_goes_on("nothing of this cache is used")

    def test_a_layer_that_is_damaged_is_made_again(self):
        for layer in self.layers():
            with open(self.blob(layer), "r+b") as file:
                file.seek(30)
                file.write(b"damaged")
        self.assert_goes_on()

    def test_no_records_at_all(self):
        self.replace_blob("cache.steps", b"nothing of the kind")
        self.assert_goes_on("nothing of this cache is used")

    def test_another_content_of_the_base(self):
        need_tool("zstd")
        records = self.read_blob("cache.base")
        self.assertIn(b"busybox", records)
        self.replace_blob("cache.base", zstd("-3", records.replace(b"busybox", b"busybux")))
        self.assert_goes_on("nothing of this cache is used")

    def test_a_record_that_says_another_result_than_its_layer_holds(self):
        need_tool("zstd")
        records = self.read_blob("cache.steps")
        # The content of /right as another one: the delta is well formed and says something else.
        right = hashlib.sha256(b"right\n").digest()
        self.assertIn(right, records)
        self.replace_blob("cache.steps", zstd("-3", records.replace(right, hashlib.sha256(b"wrong\n").digest())))
        self.assert_goes_on("nothing of this cache is used")

    def test_it_cannot_change_what_a_step_of_this_store_is(self):
        need_tool("zstd")
        own = self.digest()
        records = self.read_blob("cache.steps")
        right = hashlib.sha256(b"right\n").digest()
        self.replace_blob("cache.steps", zstd("-3", records.replace(right, hashlib.sha256(b"wrong\n").digest())))
        self.assertEqual(self.digest(self.source(trust="accept"), "--require-cached"), own)
