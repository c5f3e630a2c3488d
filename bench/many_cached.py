# SPDX-License-Identifier: Apache-2.0
"""A cache in a directory with many records of steps, as docs/formats/cache.md has it: what import costs."""

import hashlib
import json
import os
import random
import subprocess

STEPS_TYPE = "application/vnd.imgbuild.cache.steps.v1+zstd"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
DELTA_BYTES = 1000  # of a step that changes ten files


def write(layout, count):
    os.makedirs(os.path.join(layout, "blobs", "sha256"))
    steps = subprocess.run(["zstd", "-q", "-c"], input=_steps(count), capture_output=True, check=True).stdout
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": "application/vnd.imgbuild.cache.v1",
                "config": _blob(layout, EMPTY_TYPE, b"{}"), "layers": [_blob(layout, STEPS_TYPE, steps)]}
    entry = _blob(layout, MANIFEST_TYPE, json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                           ("index.json", {"schemaVersion": 2, "manifests": [entry]})):
        with open(os.path.join(layout, name), "w", encoding="ascii") as file:
            json.dump(document, file)


def _steps(count):
    """Of RUN steps, with a layer each, in the order of their keys."""
    source = random.Random(1)
    records = []
    for key in sorted(hashlib.sha256(f"step {i}".encode()).digest() for i in range(count)):
        layer = _text(b"application/vnd.oci.image.layer.v1.tar+gzip") + source.randbytes(32) + _varint(10_000) + source.randbytes(64)
        records.append(b"\x01" + key + _varint(2) + _text(b"preimage" * 40) + _text(source.randbytes(DELTA_BYTES)) +
                       _varint(0) + _varint(1) + layer)
    return b"imgbuild cache steps 1\n" + _varint(count) + b"".join(records)


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value):
    return _varint(len(value)) + value


def _blob(layout, media_type, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(layout, "blobs", "sha256", digest), "wb") as file:
        file.write(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
