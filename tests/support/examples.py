# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/buildfile.md: fenced blocks that stand one after the other.

    ignore       (optional) the context's .dockerignore
    dockerfile   the Buildfile; a `text` block instead is one that other readers need not understand
    result       what comes of it, one fact a line; without this block the Buildfile is only shown and not built

Facts, in the order in which they are tried:

    $ imgbuild ARGUMENTS .     the command (only as the first line; else `imgbuild .`)
    error: TEXT                the build fails and says so
    warning: TEXT              the build, or its checks, warn so
    says: TEXT                 a step printed it
    layers: N                  how many layers the image has, those of its base included
    Name: JSON                 a field of the image's config; null where it is not set
    /path = KIND MODE OWNER    directory, file or symlink, 0644, 0:0; what is left out at the end is not looked at
    /path -> TARGET            a symbolic link
    /path is missing
    /path: TEXT                the content of a file, without its last newline; \\n and \\t as in C
"""

import dataclasses
import json
import re
import shlex

from support.tree import digest, tree_of_image

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PATH = re.compile(r"^(?P<path>/\S*)(?: = (?P<node>.+)| -> (?P<target>.+)| (?P<missing>is missing)|: (?P<content>.*))$")


@dataclasses.dataclass
class Example:
    """A Buildfile of the page with what comes of it."""

    heading: str
    line: int
    buildfile: str
    ignore: str = None
    facts: list = dataclasses.field(default_factory=list)

    @property
    def arguments(self):
        return shlex.split(self.facts[0][len("$ imgbuild "):]) if self.facts[0].startswith("$ ") else ["."]

    @property
    def claims(self):
        return self.facts[1:] if self.facts[0].startswith("$ ") else self.facts


def examples_of(page):
    """The examples of a page that say what comes of them, in order."""
    found = []
    ignore = None
    for match in BLOCK.finditer(page):
        kind, text = match.groups()
        line = page.count("\n", 0, match.start()) + 1
        if kind == "ignore":
            ignore = text
        elif kind in ("dockerfile", "text"):
            heading = re.findall(r"^## (.*)$", page[:match.start()], re.MULTILINE)[-1]
            found.append(Example(heading, line, text, ignore))
            ignore = None
        elif kind == "result":
            found[-1].facts = [fact for fact in text.splitlines() if fact.strip()]
    return [example for example in found if example.facts]


class Outcome:
    """A build of an example, and its claims looked up in it."""

    def __init__(self, result, image):
        self.result = result
        self.image = image
        self.tree = tree_of_image(image) if image else {}

    def found(self, fact):
        """What the build has to say to a fact, in the fact's own words: equal where the fact is true."""
        for word in ("error: ", "warning: ", "says: "):
            if fact.startswith(word):
                return fact if fact[len(word):] in self.result.stderr else self.result.stderr
        if self.image is None:
            return self.result.stderr
        path = PATH.match(fact)
        if path:
            return self.found_file(path)
        name = fact.partition(": ")[0]
        if name == "layers":
            return f"layers: {len(self.image.manifest['layers'])}"
        value = self.image.config.get("author") if name == "author" else self.image.config["config"].get(name)
        return f"{name}: {json.dumps(value)}"

    def found_file(self, match):
        path = match["path"]
        node = self.tree.get(path.strip("/"))
        if node is None:
            return f"{path} is missing"
        if match["node"]:
            words = [node.kind, f"{node.mode:04o}", f"{node.uid}:{node.gid}"]
            return f"{path} = {' '.join(words[:len(match['node'].split())])}"
        if match["target"]:
            return f"{path} -> {node.target}"
        text = self.content(node).decode("utf-8", "backslashreplace").removesuffix("\n").replace("\n", "\\n").replace("\t", "\\t")
        return f"{path}: {text}"

    def content(self, node):
        for archive in self.image.layers():
            for member in archive:
                data = archive.extractfile(member).read() if member.isreg() else b""
                if digest(data) == node.content:
                    return data
        return b""
