# SPDX-License-Identifier: Apache-2.0
"""Fills a store with what years of use leave: records and images that nobody asks for, as far as opening a store can
tell them from real ones."""

import hashlib
import json
import os
import sqlite3


def fill(store, images, layers, nodes):
    database = sqlite3.connect(os.path.join(store, "store.db"))
    with database:
        database.executemany("INSERT INTO node(id, value) VALUES(?, ?)",
                             ((_digest("node", i), _digest("value", i) * 4) for i in range(nodes)))
        database.executemany("INSERT INTO layer(blob, delta, value, created) VALUES(?, ?, ?, ?)",
                             ((_digest("blob", i), _digest("delta", i), _digest("value", i) * 3, i) for i in range(layers)))
        database.executemany(
            "INSERT INTO memo(kind, key, value, preimage, created, used, sum) VALUES(?, ?, ?, ?, ?, ?, ?)",
            ((1, _digest("key", i), _digest("delta", i), b"preimage" * 40, i, i, b"s" * 16) for i in range(layers)))
        database.executemany("INSERT INTO packed(delta, packing, blob, value) VALUES(?, ?, ?, ?)",
                             ((_digest("delta", i), _digest("packing", 0), _digest("blob", i), _digest("value", i) * 4)
                              for i in range(layers)))
    database.close()
    _add_images(store, images)


def _digest(kind, number):
    return hashlib.sha256(f"{kind} {number}".encode()).digest()


def _add_images(store, count):
    place = os.path.join(store, "index.json")
    with open(place, encoding="utf-8") as file:
        index = json.load(file)
    model = dict(index["manifests"][0])
    with open(os.path.join(store, "blobs", "sha256", model["digest"].partition(":")[2]), encoding="utf-8") as file:
        manifest = json.load(file)
    for number in range(count):
        manifest["annotations"] = {"org.example.number": str(number)}
        document = json.dumps(manifest).encode()
        digest = hashlib.sha256(document).hexdigest()
        with open(os.path.join(store, "blobs", "sha256", digest), "wb") as file:
            file.write(document)
        name = f"localhost/image-{number}:1"
        index["manifests"].append({**model, "digest": f"sha256:{digest}", "size": len(document),
                                   "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}})
    with open(place, "w", encoding="utf-8") as file:
        json.dump(index, file)
