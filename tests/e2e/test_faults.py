# SPDX-License-Identifier: Apache-2.0
"""Short forms of the campaigns in tests/faults, which anyone can run longer (HACKING.md, "Faults")."""

import unittest

from faults import calls, inject, kills, power, rot, together
from support.case import EndToEnd, need_root


class Faults(EndToEnd):
    def setUp(self):
        super().setUp()
        need_root()

    def test_commands_that_are_killed_leave_a_sound_store(self):
        _, faults = kills.campaign(self.program, 8, seed=2)
        self.assertEqual(faults, [])

    def test_a_system_call_that_fails_leaves_a_sound_store_and_a_message(self):
        if not inject.can_inject():
            raise unittest.SkipTest("no filter of system calls for this machine")
        options = calls.options_of(["--commands", "rebuild", "--actions", "ENOSPC,EIO,short,crash", "--seconds", "5"])
        made, faults = calls.campaign(self.program, options)
        self.assertGreater(made, 0)
        self.assertEqual(faults, 0)

    def test_files_of_a_store_that_rot_are_found_and_never_given_away(self):
        tried, faults = rot.campaign(self.program, share=(7, 90))
        self.assertGreater(tried, 0)
        self.assertEqual(faults, [])

    def test_eight_builds_at_once_beside_prune_and_fsck(self):
        self.assertEqual(together.campaign(self.program, 1), [])

    def test_after_a_power_loss_what_was_built_is_there(self):
        self.assertEqual(power.campaign(self.program, 3, seed=1), [])

    def test_with_steps_durable_what_was_told_as_done_is_found_after_a_power_loss(self):
        self.assertEqual(power.campaign(self.program, 2, seed=1, durability="steps"), [])

    def test_with_nothing_durable_a_power_loss_costs_no_more_than_what_fsck_takes_out(self):
        self.assertEqual(power.campaign(self.program, 2, seed=3, durability="none"), [])
