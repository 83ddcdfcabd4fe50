# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Loads PyBullet without the line about its build that it prints, from C, on standard error.

The package imports this before all else, so that a command which fails says one sentence and no more.
"""

import os


def _load() -> None:
    try:
        saved = os.dup(2)
    except OSError:  # there is no standard error to keep quiet
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import pybullet  # noqa: F401
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


_load()
