# SPDX-License-Identifier: Apache-2.0
"""Build contexts to measure with. Bytes, modes and times of every file are a function of the seed alone, so that two
machines measure the same trees."""

import io
import math
import os
import random
import tarfile

BASE = "localhost/busybox"
FILE_TIME = 1_700_000_000
TEXT_POOL_BYTES = 4 << 20
FILES_PER_DIRECTORY = 100
DIRECTORIES_PER_PARENT = 10
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


class Content:
    """Reproducible bytes: text that gzip brings to about a third, and noise that it does not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.text = self._words(TEXT_POOL_BYTES)

    def _words(self, size):
        letter_weights = range(len(LETTERS), 0, -1)
        vocabulary = ["".join(self.random.choices(LETTERS, weights=letter_weights, k=self.random.randint(2, 10)))
                      for _ in range(6000)]
        # Frequencies fall as in natural language, which is what compressors are good at.
        frequencies = [1.0 / (rank + 3) for rank in range(len(vocabulary))]
        pieces, length = [], 0
        while length < size:
            line = " ".join(self.random.choices(vocabulary, weights=frequencies, k=4000)) + "\n"
            pieces.append(line)
            length += len(line)
        return "".join(pieces).encode()[:size]

    def text_of(self, size):
        begin = self.random.randrange(len(self.text) - size)
        return self.text[begin:begin + size]

    def file_of(self, size):
        """Four files in five are text."""
        return self.text_of(size) if self.random.random() < 0.8 else self.random.randbytes(size)


def write(path, data, mode=0o644, time=FILE_TIME):
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    os.utime(path, (time, time))


def context(folder, buildfile):
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "Buildfile"), buildfile.encode())
    return folder


def long_buildfile(folder, lines):
    """Comments, labels, variables and continued commands, without anything that a check would speak of."""
    text = "FROM scratch\n"
    for number in range(lines // 8):
        text += (f"# step {number}\nLABEL org.example.step{number}=\"value {number}\" other=${{V{number % 50}:-none}}\n"
                 f"ENV V{number % 50}={number}\nRUN first \\\n    # why\n    second --with \\\n    third\nUSER {number}\n")
    return context(folder, text)


def ten_steps(folder):
    """Ten small steps: COPY, RUN, WORKDIR and config, as an application has them."""
    context(folder, f"FROM {BASE}\nENV A=1\nWORKDIR /app\nCOPY a.txt /app/\nRUN echo one > /f1\nRUN echo two > /f2\n"
                    "COPY b.txt /app/\nRUN cat a.txt b.txt > c.txt\nRUN echo three > /f3\nENV B=2\n"
                    'RUN echo four > /f4\nCMD ["/bin/sh"]\n')
    write(os.path.join(folder, "a.txt"), b"alpha\n" * 100)
    write(os.path.join(folder, "b.txt"), b"beta\n" * 100)
    return folder


def many_runs(folder, count):
    """A row of RUN steps, each of which writes one small file."""
    return context(folder, f"FROM {BASE}\n" + "".join(f"RUN echo {i} > /f{i}\n" for i in range(count)))


def wide_copy(folder, count):
    """One COPY of many small files, 512 bytes to 16 KiB, log-uniform. Gives the bytes written."""
    context(folder, f"FROM {BASE}\nCOPY tree /srv/tree\n")
    write(os.path.join(folder, ".dockerignore"), b"Buildfile\n")
    content = Content(3)
    total = 0
    directory = folder
    for i in range(count):
        if i % FILES_PER_DIRECTORY == 0:
            parent, leaf = divmod(i // FILES_PER_DIRECTORY, DIRECTORIES_PER_PARENT)
            directory = os.path.join(folder, "tree", f"d{parent:03d}", f"s{leaf:02d}")
            os.makedirs(directory, exist_ok=True)
        size = int(math.exp(content.random.uniform(math.log(512), math.log(16384))))
        write(os.path.join(directory, f"f{i:06d}"), content.file_of(size), 0o755 if i % 20 == 0 else 0o644,
              FILE_TIME + i % 1000)
        total += size
    return total


def change_one_file(folder, word):
    """What a developer does between two builds of wide_copy()."""
    with open(os.path.join(folder, "tree", "d000", "s00", "f000000"), "w", encoding="ascii") as file:
        file.write(f"edited {word}\n")


def insert_one_file(folder, word):
    """The other thing that a developer does."""
    with open(os.path.join(folder, "tree", "d000", f"inserted-{word}"), "w", encoding="ascii") as file:
        file.write(f"new {word}\n")


def append(folder, text):
    """More steps at the end of a Buildfile."""
    with open(os.path.join(folder, "Buildfile"), "a", encoding="utf-8") as file:
        file.write(text)


def unpacked_tar(folder, count):
    """A RUN that unpacks a tar of so many files, 30 KiB on average, in a stage of its own. Gives their bytes."""
    context(folder, f"FROM {BASE} AS data\nCOPY data.tar /data.tar\n"
                    "FROM data AS last\nRUN mkdir /out && tar -xf /data.tar -C /out\n")
    content = Content(5)
    total = 0
    with tarfile.open(os.path.join(folder, "data.tar"), "w") as archive:
        for i in range(count):
            member = tarfile.TarInfo(f"d{i // FILES_PER_DIRECTORY:03d}/f{i:05d}")
            member.size = content.random.randrange(1 << 10, 60 << 10)
            member.mtime = FILE_TIME
            archive.addfile(member, io.BytesIO(content.file_of(member.size)))
            total += member.size
    return total


def many_layers(folder, count, size):
    """A COPY a layer, each of files of 1 MiB."""
    context(folder, f"FROM {BASE}\n" + "".join(f"COPY layer-{i} /layer-{i}\n" for i in range(count)))
    content = Content(6)
    for i in range(count):
        os.makedirs(os.path.join(folder, f"layer-{i}"), exist_ok=True)
        for part in range(size >> 20):
            write(os.path.join(folder, f"layer-{i}", f"part-{part}"), content.file_of(1 << 20))
    return folder


def one_file(folder, size):
    """One COPY of one file, half noise and half text in alternating blocks."""
    context(folder, f"FROM {BASE}\nCOPY big /srv/big\n")
    content = Content(4)
    with open(os.path.join(folder, "big"), "wb") as file:
        left = size
        while left > 0:
            block = content.random.randbytes(8192) + content.text_of(8192)
            left -= file.write(block[:left])
    return folder
