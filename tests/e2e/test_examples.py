# SPDX-License-Identifier: Apache-2.0
"""The examples and the README's first command."""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from support.bases import debian_tar
from support.case import PROGRAM, ROOT, EndToEnd
from support.judges import run_with_crun, unpack_with_umoci
from support.oci import open_layout
from support.registry import free_port
from support.tree import tree_of_image

WEBSERVER = os.path.join(ROOT, "examples", "webserver")


class Quickstart(EndToEnd):
    def test_the_first_command_builds_and_the_second_time_all_is_cached(self):
        arguments = [os.path.join(ROOT, "scripts", "quickstart.sh")]
        env = {"BUILD_DIR": os.path.dirname(PROGRAM)}
        first = self.command(*arguments, env=env)
        digest = open_layout(self.export("layout", os.path.join(ROOT, "examples", "hello"))).digest
        self.assertIn(digest, first.stdout)
        self.assertIn("layer", first.stdout)
        second = self.command(*arguments, env=env)
        self.assertIn("Fully cached", second.stdout)
        self.assertIn(digest, second.stdout)


class Webserver(EndToEnd):
    """Two Debian-based stages: a compiler in the first, the program alone in the second."""

    def setUp(self):
        super().setUp()
        slim, full = debian_tar(), debian_tar("gcc,libc6-dev,make")
        self.imgbuild("import", slim, "debian:bookworm")
        self.imgbuild("import", full, "debian:bookworm-gcc")

    def test_it_is_built_serves_as_its_user_and_is_the_same_twice(self):
        layout = self.export("layout", "-t", "webserver:1", WEBSERVER)
        image = open_layout(layout)
        config = image.config["config"]
        self.assertEqual(config["User"], "web")
        self.assertEqual(config["Labels"]["org.opencontainers.image.title"], "webserver")
        self.assertEqual(config["Healthcheck"], {"Test": ["CMD", "webserver", "--check", "8080"],
                                                 "Interval": 30_000_000_000, "Timeout": 3_000_000_000,
                                                 "StartPeriod": 2_000_000_000, "Retries": 3})
        tree = tree_of_image(image)
        self.assertEqual((tree["srv/www/index.html"].uid, tree["srv/www/index.html"].gid), (0, 990))
        self.assertNotIn("usr/bin/make", tree)
        self.assertFalse([path for path in tree if path.startswith("var/cache/objects/")])
        bundle = unpack_with_umoci(self, layout, "1")
        self.assert_it_serves(bundle)
        ran = run_with_crun(self, bundle, "/usr/bin/id", "--user", "--name")
        self.assertEqual((ran.status, ran.stdout), (0, "web\n"), ran.stderr)

        again = self.build(WEBSERVER)
        self.assertGreaterEqual(again.cached_steps, 4)
        self.assertEqual(self.imgbuild("build", "-q", "--no-cache", WEBSERVER).digest, image.digest)
        self.assert_store_is_sound()

    def assert_it_serves(self, bundle):
        root = os.path.join(bundle, "rootfs")
        port = free_port()
        server = subprocess.Popen(["chroot", "--userspec=990:990", root, "/usr/local/bin/webserver", str(port), "/srv/www"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        deadline = time.monotonic() + 10
        while subprocess.run(["chroot", root, "/usr/local/bin/webserver", "--check", str(port)], check=False,
                             capture_output=True).returncode != 0:
            self.assertLess(time.monotonic(), deadline, "the server does not become healthy")
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            self.assertIn(b"It works", answer.read())
        with self.assertRaises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/../etc/passwd", timeout=5)
        self.assertEqual(missing.exception.code, 404)
        missing.exception.close()
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=5), 0)

    def test_a_changed_source_is_compiled_although_the_mount_holds_its_object(self):
        context = self.path("changed")
        shutil.copytree(WEBSERVER, context)
        before = self.imgbuild("build", "-q", context).digest
        path = os.path.join(context, "src", "main.c")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("usage: webserver", "how to use: webserver"))
        self.assertNotEqual(self.imgbuild("build", "-q", context).digest, before)
