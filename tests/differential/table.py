# SPDX-License-Identifier: Apache-2.0
"""The fixed table of cases, and the differences that are known (differences.md beside this file)."""

import fnmatch
import os
import re

import cases_config
import cases_copy
import cases_stages
from engines import Case

DIFFERENCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.md")
MODULES = (cases_copy, cases_config, cases_stages)
START = "FROM localhost/base\n"


def cases():
    """Every case of the table, in order."""
    found = []
    for module in MODULES:
        for name, entry in module.CASES.items():
            text, files, arguments = (*entry, *(None, ())[len(entry) - 1:]) if isinstance(entry, tuple) else (entry, None, ())
            whole = text if re.search(r"^\W*from\b", text, re.IGNORECASE | re.MULTILINE) or not text else START + text
            found.append(Case(name, whole, files, arguments))
    names = [case.name for case in found]
    assert len(names) == len(set(names)), "two cases have one name"
    return found


def known_differences():
    """{case: places}, from the rows of differences.md: | case | places | who is right | why |, and both sides' refusals."""
    found = {name: ["refused by both"] for module in MODULES for name in module.REFUSED}
    with open(DIFFERENCES, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) == 4 and cells[0] not in ("case", "---"):
                assert cells[0] not in found, f"{cells[0]}: listed twice"
                found[cells[0]] = [place.strip() for place in cells[1].split(",")]
    return found


def surprises(found, expected):
    """What of a case's differences was not expected, and what of the expected ones did not come."""
    wrong = [f"{place}: {text}" for place, text in sorted(found.items())
             if not any(fnmatch.fnmatchcase(place, pattern) for pattern in expected)]
    wrong += [f"{pattern}: no difference there any more" for pattern in expected if not fnmatch.filter(found, pattern)]
    return wrong
