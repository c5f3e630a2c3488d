# SPDX-License-Identifier: Apache-2.0
"""Images into a docker or podman of this machine: --load, type=docker, and what is not sent."""

import os

from support.case import EndToEnd
from support.engine import DockerEngine, podman_images, podman_storage, start_podman

BASE = "FROM scratch\nCOPY base /base\n"


class Docker(EndToEnd):
    def setUp(self):
        super().setUp()
        self.docker = DockerEngine(self)
        self.files = self.context({"Buildfile": f"{BASE}COPY app /app\n", "base": "base\n" * 1000, "app": "1\n"})

    def load(self, *arguments, status=0, **env):
        return self.imgbuild("build", "--load", "-t", "app:1", *arguments, self.files, status=status,
                             env={**self.docker.environment, **env})

    def layer_count(self):
        """Blobs of the last archive that are neither manifest nor config."""
        return len([name for name in self.docker.loads[-1] if name.startswith("blobs/")]) - 2

    def change(self, name, text):
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text)

    def test_what_the_engine_has_is_not_sent_again(self):
        told = self.load("-t", "reg.example/team/app:2").stderr
        self.assertRegex(told, r"loaded app:1, reg.example/team/app:2 into docker at unix://.*docker.sock: .* sent\n")
        self.assertEqual(self.layer_count(), 2)
        self.assertIn("app:1", self.imgbuild("images").stdout)
        image = self.docker.find("app:1")
        self.assertEqual(image, self.docker.find("reg.example/team/app:2"))
        with self.subTest("the same image under another name"):
            told = self.imgbuild("build", "-o", "type=docker,name=other:1", self.files, env=self.docker.environment).stderr
            self.assertIn("it was there already", told)
            self.assertEqual((len(self.docker.loads), self.docker.find("other:1")), (1, image))
        with self.subTest("another layer on the same base"):
            self.change("app", "2\n")
            self.assertIn("1 of 2 layers there already", self.load().stderr)
            self.assertEqual(self.layer_count(), 1)
            self.assertNotEqual(self.docker.find("app:1"), image)
        with self.subTest("a base that only another image has"):
            files = self.context({"Buildfile": f"{BASE}COPY base /again\n", "base": "base\n" * 1000}, "third")
            self.imgbuild("build", "--load", "-t", "third:1", files, env=self.docker.environment)
            self.assertEqual(self.layer_count(), 1)

    def test_an_engine_that_lost_the_layers_meanwhile_gets_all(self):
        self.load()
        self.docker.chains.clear()
        self.change("app", "2\n")
        self.load()
        self.assertEqual(len(self.docker.loads), 3)
        self.assertEqual(self.layer_count(), 2)

    def test_an_engine_that_keeps_images_in_containerd_gets_whole_archives(self):
        self.docker.storage = "io.containerd.snapshotter.v1"
        self.load()
        self.change("app", "2\n")
        self.load()
        self.assertEqual(self.layer_count(), 2)

    def test_what_the_engine_refuses_is_told_in_its_words(self):
        self.docker.refusal = "no space left on device"
        told = self.load(status=3).stderr
        self.assertIn("does not take the image", told)
        self.assertIn("no space left on device", told)
        self.assert_store_is_sound()

    def test_of_several_platforms_the_one_of_this_machine_is_loaded(self):
        told = self.load("--platform", "linux/arm64,linux/amd64").stderr
        self.assertRegex(told, "loaded app:1 into .*, the image for linux/[a-z0-9]+ of 2")
        self.assertIn('"manifests"', self.imgbuild("manifest", "inspect", "app:1").stdout)

    def test_an_engine_that_was_named_and_does_not_answer_is_an_error(self):
        told = self.load(status=3, DOCKER_HOST=f"unix://{self.path('nobody.sock')}").stderr
        self.assertIn("(DOCKER_HOST): connect: ", told)
        told = self.load(status=6, DOCKER_HOST="ssh://there").stderr
        self.assertIn("DOCKER_HOST says ssh://there", told)

    def test_without_an_engine_the_image_is_in_the_store_and_that_is_said(self):
        if os.path.exists("/var/run/docker.sock") or os.path.exists("/run/podman/podman.sock"):
            self.skipTest("an engine runs here")
        told = self.imgbuild("build", "--load", "-t", "app:1", self.files, env={"PATH": self.path("nothing")}).stderr
        self.assertIn("neither docker nor podman is here", told)
        self.assertIn("app", self.imgbuild("images").stdout)


class Podman(EndToEnd):
    def test_its_program_reads_the_store_and_its_service_takes_archives(self):
        environment = podman_storage(self)
        files = self.context({"Buildfile": f"{BASE}COPY base /again\n", "base": "base\n"})
        told = self.imgbuild("build", "--load", "-t", "app:1", "-t", "reg.example/app:2", files, env=environment).stderr
        self.assertIn("loaded app:1, reg.example/app:2 into podman\n", told)
        images = podman_images(self)
        self.assertEqual(images["docker.io/library/app:1"], images["reg.example/app:2"])
        socket = start_podman(self)
        environment["DOCKER_HOST"] = f"unix://{socket}"
        told = self.imgbuild("build", "--load", "-t", "app:3", files, env=environment).stderr
        self.assertIn("loaded app:3 into podman at unix://", told)
        self.assertIn("it was there already", told)
        more = self.context({"Buildfile": "FROM app:1\nCOPY more /more\n", "more": "more\n"}, "more")
        told = self.imgbuild("build", "--load", "-t", "app:4", more, env=environment).stderr
        self.assertRegex(told, "loaded app:4 into podman at unix://.*: .* sent")
        images = podman_images(self)
        self.assertEqual(images["docker.io/library/app:1"], images["docker.io/library/app:3"])
        self.assertIn("docker.io/library/app:4", images)
