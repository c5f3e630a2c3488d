# SPDX-License-Identifier: Apache-2.0
"""Campaigns that break the store on purpose; see HACKING.md, "Faults"."""
