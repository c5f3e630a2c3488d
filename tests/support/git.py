# SPDX-License-Identifier: Apache-2.0
"""Repositories for cases: made by the git program with fixed names and times, so that commits are the same each run."""

import os

from support.case import need_tool, write_tree

IDENTITY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "file:http:git",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_AUTHOR_DATE": "1700000000 +0000",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t", "GIT_COMMITTER_DATE": "1700000000 +0000"}


class Repository:
    """A repository with a working tree in a folder of the case, and a bare copy that a plain web server can serve."""

    def __init__(self, case, name, tree, web, object_format="sha1"):
        need_tool("git")
        self.case = case
        self.folder = case.make_folder("work", name)
        self.bare = os.path.join(web, name + ".git")
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}")
        self.first = self.commit(tree)

    def git(self, *arguments, cwd=None):
        return self.case.command("git", *arguments, env=IDENTITY, cwd=cwd or self.folder).stdout.strip()

    def commit(self, tree, tag=None):
        """Writes files, commits, publishes; gives the commit."""
        write_tree(self.folder, tree)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "x")
        if tag:
            self.git("tag", "-a", "-m", "x", tag)
        self.publish()
        return self.git("rev-parse", "HEAD")

    def publish(self):
        if not os.path.isdir(self.bare):
            self.git("clone", "--quiet", "--bare", self.folder, self.bare)
        self.git("push", "--quiet", "--mirror", self.bare)
        self.git("update-server-info", cwd=self.bare)
