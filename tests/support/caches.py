# SPDX-License-Identifier: Apache-2.0
"""Builders that share results through a cache outside their stores."""

import hashlib
import json
import os
import shutil
import subprocess

from support.case import EndToEnd

# A random value in each RUN: the same digest again means that nothing ran twice.
BUILDFILE = """
FROM busybox AS base
RUN cat /proc/sys/kernel/random/uuid > /uuid && echo app:x:7:7::/:/bin/sh >> /etc/passwd
FROM base AS tool
COPY source /src/
RUN cat /proc/sys/kernel/random/uuid /src/source > /tool
FROM base
COPY --from=tool --chown=app /tool /usr/bin/tool
RUN cat /proc/sys/kernel/random/uuid > /last
USER app
"""


def zstd(option, data):
    return subprocess.run(["zstd", "-q", "-c", option], input=data, capture_output=True, check=True).stdout


def put_blob(layout, data):
    """Puts bytes into a layout; gives their digest."""
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(layout, "blobs", "sha256", digest), "wb") as file:
        file.write(data)
    return f"sha256:{digest}"


def aged(records):
    """Records of steps, as docs/formats/cache.md has them, as if they had been used long ago."""
    magic = b"imgbuild cache steps 1\n"
    out, at = bytearray(magic), len(magic)

    def varint():
        nonlocal at
        begin = at
        value = shift = 0
        while True:
            byte = records[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                out.extend(records[begin:at])
                return value

    def take(size):
        nonlocal at
        out.extend(records[at:at + size])
        at += size

    for _ in range(varint()):
        take(1 + 32)
        kept = len(out)
        varint()
        out[kept:] = b"\x02"
        for _ in range(2):
            take(varint())
        for _ in range(varint()):
            take(varint())
        for _ in range(varint()):
            take(varint())
            take(32)
            varint()
            take(64)
    return bytes(out)


class Exchange(EndToEnd):
    """A builder with a store, another one without, and a directory between them."""

    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": BUILDFILE, "source": "1\n"})
        self.cache = self.path("cache")

    def to(self, **attributes):
        return self.option("--cache-to", "dest", attributes)

    def source(self, **attributes):
        return self.option("--cache-from", "src", attributes)

    def option(self, flag, place, attributes):
        fields = {"type": "local", place: self.cache, **attributes}
        return f"{flag}=" + ",".join(f"{key}={value}" for key, value in fields.items())

    def forget(self):
        """The other builder: a store with nothing in it."""
        shutil.rmtree(self.store)

    def assert_a_failed_build_leaves_what_it_finished(self):
        self.change("Buildfile", BUILDFILE + "RUN false\n")
        self.build(self.to(mode="max"), self.files, status=1)
        self.forget()
        self.change("Buildfile", BUILDFILE)
        self.digest(self.source(), "--require-cached")

    def digest(self, *arguments):
        return self.imgbuild("build", "-q", *arguments, self.files).digest

    def told(self, *arguments):
        """What a build says, and the digest of its image."""
        path = self.path("iid")
        said = self.build(f"--iidfile={path}", *arguments, self.files).stderr
        with open(path, encoding="ascii") as file:
            return said, file.read()

    def manifest(self, tag="latest"):
        with open(os.path.join(self.cache, "index.json"), encoding="utf-8") as file:
            for entry in json.load(file)["manifests"]:
                if entry["annotations"]["org.opencontainers.image.ref.name"] == tag:
                    with open(self.blob(entry["digest"]), encoding="utf-8") as document:
                        return json.load(document)
        raise AssertionError(f"no cache {tag}")

    def blob(self, digest):
        return os.path.join(self.cache, "blobs", "sha256", digest.removeprefix("sha256:"))

    def layers(self):
        return [blob["digest"] for blob in self.manifest()["layers"] if ".layer." in blob["mediaType"]]

    def records(self):
        return [blob for blob in self.manifest()["layers"] if "cache.steps" in blob["mediaType"]][0]

    def replace_manifest(self, change):
        """Puts another manifest in the place of the cache's."""
        document = self.manifest()
        change(document)
        data = json.dumps(document).encode()
        digest = put_blob(self.cache, data)
        path = os.path.join(self.cache, "index.json")
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        index["manifests"][0].update(digest=digest, size=len(data))
        with open(path, "w", encoding="utf-8") as file:
            json.dump(index, file)

    def replace_blob(self, kind, data):
        """Another blob of a kind of records."""
        def change(document):
            for blob in document["layers"]:
                if kind in blob["mediaType"]:
                    blob.update(digest=put_blob(self.cache, data), size=len(data))
        self.replace_manifest(change)

    def read_blob(self, kind):
        digest = [blob["digest"] for blob in self.manifest()["layers"] if kind in blob["mediaType"]][0]
        with open(self.blob(digest), "rb") as file:
            return zstd("-d", file.read())

    def change(self, name, text):
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text)
