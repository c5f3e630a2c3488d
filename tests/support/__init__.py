# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running the program, reading images, judges, registries and users."""
