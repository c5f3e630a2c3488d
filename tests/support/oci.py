# SPDX-License-Identifier: Apache-2.0
"""A small, strict reader of OCI layouts, written against the specification and not against our code."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def decompress(data):
    """The tar inside a layer blob."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-d", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class FolderLayout:
    """The files of a layout in a directory."""

    def __init__(self, path):
        self.path = path

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()


class TarLayout:
    """The files of a layout in an archive."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}

    def read(self, name):
        return self.files[name]


class DockerFolder:
    """An image of Docker's schema 2 as a directory of blobs, which keeps the fields of configs that OCI has no place for."""

    def __init__(self, path):
        self.path = path
        self.manifest = json.loads(self.read("manifest.json"))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def blob(self, descriptor):
        data = self.read(descriptor["digest"].partition(":")[2])
        assert sha256(data) == descriptor["digest"], f"{descriptor['digest']}: other bytes"
        return data

    def layers(self):
        """The layers as open tar files, lowest first."""
        return [tarfile.open(fileobj=io.BytesIO(decompress(self.blob(layer)))) for layer in self.manifest["layers"]]


def read_blob(layout, descriptor):
    """A blob of a layout, which is what the descriptor says."""
    algorithm, _, digits = descriptor["digest"].partition(":")
    data = layout.read(f"blobs/{algorithm}/{digits}")
    assert len(data) == descriptor["size"], f"{descriptor['digest']}: {len(data)} bytes, not {descriptor['size']}"
    assert sha256(data) == descriptor["digest"], f"{descriptor['digest']}: other bytes"
    return data


class Image:
    """One image of a layout; every document and blob is verified as it is read."""

    def __init__(self, layout, descriptor):
        self.layout = layout
        self.descriptor = descriptor
        self.digest = descriptor["digest"]
        self.manifest = json.loads(self.blob(descriptor))
        assert self.manifest["schemaVersion"] == 2
        assert self.manifest["mediaType"] == MANIFEST_TYPE, self.manifest["mediaType"]
        assert self.manifest["config"]["mediaType"] == CONFIG_TYPE
        self.config = json.loads(self.blob(self.manifest["config"]))

    def blob(self, descriptor):
        return read_blob(self.layout, descriptor)

    def layer_tars(self):
        """The uncompressed layers, lowest first, checked against the diff ids of the config."""
        tars = [decompress(self.blob(layer)) for layer in self.manifest["layers"]]
        assert [sha256(tar) for tar in tars] == self.config["rootfs"]["diff_ids"], "diff ids do not match the layers"
        return tars

    def layers(self):
        """The layers as open tar files, lowest first."""
        return [tarfile.open(fileobj=io.BytesIO(tar)) for tar in self.layer_tars()]


class Attestation:
    """What an index says about one of its images; every document and blob is verified as it is read."""

    def __init__(self, layout, descriptor):
        assert descriptor["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
        self.about = descriptor["annotations"]["vnd.docker.reference.digest"]
        self.layout = layout
        self.manifest = json.loads(read_blob(layout, descriptor))
        self.config = json.loads(read_blob(layout, self.manifest["config"]))
        self.statements = {}  # by type of predicate
        for layer in self.manifest["layers"]:
            assert layer["mediaType"] == "application/vnd.in-toto+json"
            statement = json.loads(read_blob(layout, layer))
            assert statement["_type"] == "https://in-toto.io/Statement/v1"
            assert statement["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
            self.statements[statement["predicateType"]] = statement


@dataclasses.dataclass
class Index:
    """An index of a layout."""

    descriptor: dict  # as index.json has it
    document: dict
    images: list
    attestations: list

    @property
    def platforms(self):
        """As the index says them: "linux/arm/v7"."""
        platforms = [entry["platform"] for entry in self.document["manifests"]]
        return ["/".join(entry[key] for key in ("os", "architecture", "variant") if key in entry) for entry in platforms]


def open_layout(path, name=None):
    """The one image of a layout in a directory or archive, or the one called `name`."""
    layout = FolderLayout(path) if os.path.isdir(path) else TarLayout(path)
    assert json.loads(layout.read("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(layout.read("index.json"))
    assert index["schemaVersion"] == 2
    found = [entry for entry in index["manifests"] if name is None or entry.get("annotations", {}).get(REF_NAME) == name]
    assert len(found) == 1, f"{path}: {len(found)} images called {name}: {json.dumps(index, indent=1)}"
    descriptor = found[0]
    if descriptor["mediaType"] == INDEX_TYPE:
        digits = descriptor["digest"].partition(":")[2]
        inner = json.loads(layout.read(f"blobs/sha256/{digits}"))
        assert len(inner["manifests"]) == 1
        descriptor = inner["manifests"][0]
    return Image(layout, descriptor)


def open_index(path):
    """The one index of a layout in a directory or archive, whatever its names: its document, and its images in their order."""
    layout = FolderLayout(path) if os.path.isdir(path) else TarLayout(path)
    listed = json.loads(layout.read("index.json"))["manifests"]
    assert len({entry["digest"] for entry in listed}) == 1 and listed[0]["mediaType"] == INDEX_TYPE, json.dumps(listed, indent=1)
    data = layout.read("blobs/sha256/" + listed[0]["digest"].partition(":")[2])
    assert sha256(data) == listed[0]["digest"] and len(data) == listed[0]["size"]
    index = json.loads(data)
    images = [entry for entry in index["manifests"] if entry["platform"]["os"] != "unknown"]
    others = index["manifests"][len(images):]  # behind all images
    return Index(listed[0], index, [Image(layout, entry) for entry in images],
                 [Attestation(layout, entry) for entry in others])
