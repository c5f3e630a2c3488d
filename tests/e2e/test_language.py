# SPDX-License-Identifier: Apache-2.0
"""Every example of docs/buildfile.md gives what the page says."""

import io
import os
import re
import tarfile

from support.case import ROOT, EndToEnd, Link, write_tree
from support.examples import Outcome, examples_of
from support.oci import open_layout


def archive():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as out:
        member = tarfile.TarInfo("packed/inside.txt")
        member.size = len(b"inside\n")
        out.addfile(member, io.BytesIO(b"inside\n"))
    return data.getvalue()


# The context that the page shows at its beginning.
CONTEXT = {"hello.txt": "hello\n", "world.txt": "world\n", "link.txt": Link("hello.txt"), "files.tar": archive(),
           "src/main.c": "int main;\n", "src/util/util.c": "int util;\n", "src/util/util.h": "extern int util;\n",
           "conf/app.conf": "port=80\n"}
SECRET = "hush\n"


def page():
    with open(os.path.join(ROOT, "docs", "buildfile.md"), encoding="utf-8") as file:
        return file.read()


class Language(EndToEnd):
    """One case for each section of the page."""

    def check(self, heading):
        write_tree(self.folder, {"token": SECRET})
        for number, example in enumerate(e for e in examples_of(page()) if e.heading == heading):
            with self.subTest(line=example.line):
                outcome = self.outcome_of(example, f"example-{number}")
                self.assertEqual([outcome.found(fact) for fact in example.claims], example.claims, outcome.result.stderr)

    def outcome_of(self, example, name):
        files = dict(CONTEXT, Buildfile=example.buildfile)
        if example.ignore is not None:
            files[".dockerignore"] = example.ignore
        context = self.context(files, name)
        layout = self.path(name + ".oci")
        fails = any(claim.startswith("error: ") for claim in example.claims)
        checks_only = any(argument.startswith(("--check", "--call")) for argument in example.arguments)
        output = [] if checks_only else ["-o", f"type=oci,tar=false,dest={layout}"]
        result = self.build(*output, *example.arguments, cwd=context, status=None)
        self.assertEqual(result.status != 0, fails, result.stderr)
        return Outcome(result, None if fails or checks_only else open_layout(layout))


def add_cases():
    for heading in dict.fromkeys(example.heading for example in examples_of(page())):
        def case(self, heading=heading):
            self.check(heading)
        name = "test_" + re.sub(r"\W+", "_", heading.lower()).strip("_")
        setattr(Language, name, case)


add_cases()
