# SPDX-License-Identifier: Apache-2.0
"""Caches in a registry: what builders leave there, also when they fail or meet, and what others find."""

import os
import re
import shutil
import signal
import time
import urllib.error

from support.caches import BUILDFILE, Exchange
from support.registry import manifest_of, start_registry

# Of "alice", whose password is "open sesame".
ACCOUNTS = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"
RANDOM = "RUN cat /proc/sys/kernel/random/uuid > /uuid"


class RegistryExchange(Exchange):
    def start(self, *arguments, **options):
        """The first command of a case finds a registry running."""
        if not hasattr(self, "address"):
            self.serve()
        return super().start(*arguments, **options)

    def serve(self, **options):
        self.address = start_registry(self, **options)
        self.cache = f"{self.address}/team/app:cache"

    def option(self, flag, place, attributes):
        if not hasattr(self, "address"):
            self.serve()
        fields = {"type": "registry", "ref": self.cache, **attributes}
        return f"{flag}=" + ",".join(f"{key}={value}" for key, value in fields.items())

    def manifest(self, tag="cache"):
        return manifest_of(self.address, "team/app", tag)[1]

    def stored_layers(self):
        return [layer for layer in self.layers()
                if os.path.exists(os.path.join(self.store, "blobs", "sha256", layer.removeprefix("sha256:")))]


class Registry(RegistryExchange):
    def test_a_fresh_store_finds_everything_without_a_layer_and_gives_the_same_image(self):
        first = self.digest(self.to(mode="max"))
        self.assertEqual(len(self.layers()), 5)
        self.forget()
        told = self.build(self.source(), "--require-cached", "-o", "type=cacheonly", self.files).stderr
        self.assertNotIn("warning", told)
        self.assertEqual(self.stored_layers(), [])
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)
        self.assert_store_is_sound()

    def test_a_failed_build_leaves_what_it_finished(self):
        self.assert_a_failed_build_leaves_what_it_finished()

    def test_a_build_that_is_killed_leaves_what_it_finished(self):
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\nRUN sleep 100\n")
        build = self.start("build", self.to(mode="max"), self.files)
        end = time.monotonic() + 60
        while not self.is_there() and build.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        self.assertTrue(self.is_there())
        os.killpg(build.pid, signal.SIGKILL)
        build.wait()
        self.forget()
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\n")
        self.digest(self.source(), "--require-cached")

    def test_a_build_that_is_stopped_says_what_it_came_to(self):
        """Long before it would have been due."""
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\nRUN echo started && sleep 100\n")
        self.change("First", f"FROM busybox\n{RANDOM}\n")
        self.serve()
        for stop in os.kill, os.killpg:
            with self.subTest(stop.__name__):
                self.cache = f"{self.address}/team/app:{stop.__name__}"
                build = self.start("build", "--progress=plain", self.to(), self.files)
                self.wait_for(build.stderr, "started")
                stop(build.pid, signal.SIGINT)
                self.finish(build, status=130)
                self.forget()
                self.build("-o", "type=cacheonly", self.source(), "--require-cached", "-f",
                           os.path.join(self.files, "First"), self.files)
                self.forget()

    @staticmethod
    def wait_for(stream, text):
        for line in stream:
            if line.startswith("#") and line.rstrip().endswith(text) and "RUN" not in line:
                return
        raise AssertionError(f"it ended without {text}")

    def is_there(self):
        try:
            return bool(self.manifest())
        except urllib.error.HTTPError:
            return False

    def test_what_goes_wrong_is_a_warning_unless_it_must_not(self):
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\n")
        self.serve()
        self.assertIn("nothing stands there yet", self.build(self.source(), self.files).stderr)
        self.cache = "127.0.0.1:9/team/app:cache"
        self.assertIn("warning: the cache is not exported: cache 127.0.0.1:9/team/app:cache",
                      self.build(self.to(), self.source(), self.files).stderr)
        self.build(self.to(**{"ignore-error": "false"}), self.files, status=3)

    def test_a_tag_that_names_an_image_is_left_alone(self):
        self.serve()
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\n")
        image = self.imgbuild("build", "-q", "--push", "-t", self.cache, self.files).digest
        self.assertIn("holds something else than a cache", self.build(self.to(), self.files).stderr)
        self.assertEqual(manifest_of(self.address, "team/app", "cache")[0], image)

    def test_a_registry_with_accounts_takes_the_cache_of_who_is_logged_in(self):
        self.serve(accounts=ACCOUNTS)
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\n")
        told, first = self.told(self.to(mode="max"))
        self.assertIn("needs a login", told)
        self.imgbuild("login", "-u", "alice", "--password-stdin", self.address, stdin="open sesame\n")
        self.assertEqual(self.digest(self.to(mode="max")), first)
        self.forget()
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)
        shutil.rmtree(os.path.join(self.home, ".docker"))
        self.forget()
        self.assertIn("needs a login", self.build(self.source(), self.files).stderr)


class Explanations(RegistryExchange):
    def test_a_builder_without_a_memory_says_what_changed_since_the_cache_was_filled(self):
        buildfile = "FROM busybox\nARG VERSION\nCOPY src /src\nRUN cat /src/a > /b\n"
        self.files = self.context({"Buildfile": buildfile, "src/a": "1\n", "src/gone": "", "src/same": ""}, "changing")
        self.digest("--build-arg=VERSION=secret1", self.to(mode="max"))
        self.forget()
        self.change("src/a", "2\n")
        os.remove(os.path.join(self.files, "src", "gone"))
        told = self.build("--explain", "--build-arg=VERSION=secret2", self.source(), self.files).stderr
        for cause in ("files of the source changed", "changed /src/a (content)", "removed /src/gone",
                      "the result of the step before it changed", "build argument VERSION changed"):
            self.assertIn(f"because: {cause}", told)
        self.assertNotIn("/src/same", told)
        self.assertNotIn("secret", told)


class ManyBuilders(RegistryExchange):
    BUILDERS = 4

    def test_builders_that_export_at_once_lose_nothing_and_repeat_nothing(self):
        commits = [self.context({"Buildfile": BUILDFILE.replace("> /last", f"> /last{number // 2}"), "source": "1\n"},
                                f"commit{number}") for number in range(self.BUILDERS)]
        # Everybody builds everything, two the same commit. What all did came out differently: one result each stays,
        # and in the second round all come to stand on it, and do again what stood on others.
        self.run_all(commits, "first")
        for result in self.run_all(commits, "second"):
            summary = re.search(r"\d+ steps.*", result.stderr)[0]
            self.assertRegex(summary, "all cached|: 5 cached")
        self.run_all(commits, "third", "--require-cached")
        # Builders of one commit agree.
        self.assertEqual(len(set(self.digests)), 2)

    def run_all(self, folders, name, *arguments):
        processes = [self.start("build", "--progress=plain", self.source(), self.to(mode="max"), *arguments,
                                f"--iidfile={self.path(f'{name}-{number}.id')}", folder,
                                env={"IMGBUILD_STORE": self.path(f"{name}-{number}")})
                     for number, folder in enumerate(folders)]
        results = [self.finish(process) for process in processes]
        self.digests = []
        for number in range(len(folders)):
            with open(self.path(f"{name}-{number}.id"), encoding="ascii") as file:
                self.digests.append(file.read())
        return results


class Conformance(RegistryExchange):
    """What BuildKit's tests of caches in registries ask for."""

    TWO_PLATFORMS = ("FROM --platform=$BUILDPLATFORM busybox AS tool\nARG TARGETARCH\n"
                     "RUN cat /proc/sys/kernel/random/uuid > /$TARGETARCH\n"
                     "FROM scratch\nARG TARGETARCH\nCOPY --from=tool /$TARGETARCH /\n")
    PLATFORMS = "--platform=linux/amd64,linux/arm64"

    def test_the_cache_of_two_platforms_comes_back_from_a_registry(self):
        self.change("Buildfile", self.TWO_PLATFORMS)
        first = self.digest(self.PLATFORMS, self.to(mode="max"))
        self.forget()
        self.assertEqual(self.digest(self.PLATFORMS, self.source(), "--require-cached"), first)

    def test_the_cache_in_the_images_of_two_platforms_comes_back(self):
        self.change("Buildfile", "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n"
                                 "RUN cat /proc/sys/kernel/random/uuid > /$TARGETARCH\nCOPY source /\n")
        self.serve()
        first = self.digest(self.PLATFORMS, "--cache-to=type=inline", "--push", "-t", self.cache)
        self.forget()
        self.assertEqual(self.digest(self.PLATFORMS, "--cache-to=type=inline", self.source(), "--require-cached"), first)

    def test_a_cache_is_an_image_manifest_that_registries_and_tools_read(self):
        self.change("Buildfile", f"FROM busybox\n{RANDOM}\n")
        first = self.digest(self.to(**{"image-manifest": "true", "oci-mediatypes": "true"}))
        digest, manifest = manifest_of(self.address, "team/app", "cache")
        self.assertEqual(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json")
        self.assertEqual(manifest["artifactType"], "application/vnd.imgbuild.cache.v1")
        if shutil.which("skopeo"):
            self.command("skopeo", "copy", "--src-tls-verify=false", f"docker://{self.cache}",
                         f"dir:{self.path('copy')}")
        for place in self.cache, f"{self.address}/team/app@{digest}":
            self.cache = place
            self.forget()
            self.assertEqual(self.digest(self.source(), "--require-cached"), first)

    def test_a_random_layer_comes_back_after_everything_was_pruned(self):
        self.change("Buildfile", f"FROM busybox AS made\n{RANDOM}\nFROM scratch\nCOPY --from=made /uuid /\n")
        first = self.digest(self.to(mode="max"))
        self.imgbuild("prune", "--all")
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)
