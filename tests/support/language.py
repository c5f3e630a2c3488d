# SPDX-License-Identifier: Apache-2.0
"""Cases about the language: the text of a Buildfile in, an image or its files out."""

import os

from support.case import EndToEnd
from support.oci import open_layout
from support.tree import node_of_status


class Files:
    """The files of an image, as a local output left them."""

    def __init__(self, root, result):
        self.root = root
        self.result = result

    def __getitem__(self, path):
        """The text of a file."""
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def __contains__(self, path):
        return os.path.lexists(os.path.join(self.root, path))

    def node(self, path):
        full = os.path.join(self.root, path)
        return node_of_status(full, os.lstat(full))

    def mode(self, path):
        return self.node(path).mode

    def owner(self, path):
        node = self.node(path)
        return node.uid, node.gid

    def names(self, path=""):
        return set(os.listdir(os.path.join(self.root, path)))


class Language(EndToEnd):
    """Each call builds in a context of its own, on the one store of the case."""

    def new_name(self, purpose):
        return f"{purpose}{sum(name.startswith(purpose) for name in os.listdir(self.folder))}"

    def source(self, buildfile, tree=None):
        """A new context of this Buildfile and {path: text, File, Link or None}."""
        return self.context({"Buildfile": buildfile, **(tree or {})}, self.new_name("context"))

    def files(self, buildfile, tree=None, *arguments, **options):
        """Builds and gives the files of the image."""
        return self.files_of(self.source(buildfile, tree), *arguments, **options)

    def files_of(self, *arguments, **options):
        """The same of a context that is there."""
        out = self.path(self.new_name("out"))
        result = self.build("-o", f"type=local,dest={out}", *arguments, **options)
        return Files(out, result)

    def image(self, buildfile, tree=None, *arguments, **options):
        """Builds and gives the image."""
        return open_layout(self.export(self.new_name("layout"), *arguments, self.source(buildfile, tree), **options))

    def settings(self, buildfile, tree=None, *arguments, **options):
        """Builds and gives what the image's config tells a runtime."""
        return self.image(buildfile, tree, *arguments, **options).config["config"]

    def refused(self, buildfile, says, *arguments, tree=None, status=2, **options):
        """Checks that a build fails with these words on stderr; gives its result."""
        result = self.build(*arguments, self.source(buildfile, tree), status=status, **options)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.stderr)
        self.assertEqual(result.stdout, "")
        return result
