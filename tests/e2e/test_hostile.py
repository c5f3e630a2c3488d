# SPDX-License-Identifier: Apache-2.0
"""Images and contexts that mean harm, and what must happen to each: as root, and as an ordinary user."""

import os
import sys

from support.case import EndToEnd, need_root
from support.user import become_ordinary_user

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hostile"))
from builds import judge_all  # noqa: E402  (the path is set above)


class Hostile(EndToEnd):
    def judge(self, *kinds, user=None):
        count, faults = judge_all(self.program, self.make_folder("hostile"), kinds, user)
        self.assertGreater(count, 0)
        self.assertEqual(faults, [])

    def judge_as_user(self, *kinds):
        self.judge(*kinds, user=become_ordinary_user(self))

    def test_layers_and_stacks_of_layers(self):
        need_root()
        self.judge("layer/", "layer-stack/")

    def test_layouts(self):
        need_root()
        self.judge("oci-layout/")

    def test_contexts(self):
        need_root()
        self.judge("context/")

    def test_layers_and_stacks_of_layers_of_an_ordinary_user(self):
        self.judge_as_user("layer/", "layer-stack/")

    def test_layouts_of_an_ordinary_user(self):
        self.judge_as_user("oci-layout/")

    def test_contexts_of_an_ordinary_user(self):
        self.judge_as_user("context/")
